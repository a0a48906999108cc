"""Questions about the inputs of pools: their files, and what people said of each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from components.exam_names import origin, pool_exam
from components.ledger import schema
from components.ledger.database import among
from components.ledger.events import HoldoutDone, RemovalBegun
from components.ledger.ledger import Ledger
from components.ledger.views.about_corrections import renamed_tasks
from components.ledger.views.about_events import told


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a person that counts; the fields are those of `LabelGiven`."""

    seq: int
    task: str
    item: str
    answer: str
    label: str | None
    offered: tuple[str, ...]
    asked_by: str
    again: bool


@dataclass(frozen=True, slots=True)
class PoolFile:
    """A file of unlabelled inputs: `name` is what people called it, `source` what stores it.

    `path`: in the root, `md5`: of its bytes; `items`: how many of its inputs are in the pool.
    """

    task: str
    exam: str
    source: str
    name: str
    path: str
    md5: str
    items: int


def pool_files(ledger: Ledger) -> list[PoolFile]:
    """Return the files of which inputs are in a pool now, by what their tasks are called now."""
    table = schema.holdout.c
    count = sa.select(table.exam, table.source, sa.func.count()).group_by(table.exam, table.source)
    sizes = {
        (exam, source): items
        for exam, source, items in ledger.query(count)
        if origin(exam) == "pool"
    }
    newest = {said.source: said for said in _brought(ledger) if origin(said.exam) == "pool"}
    names = renamed_tasks(ledger)
    files = []
    for said in newest.values():
        task = names.get(said.task, said.task)
        items = sizes.get((pool_exam(task), said.source))
        if items is not None:
            path, md5 = said.stored["path"], said.stored["md5"]
            files.append(PoolFile(task, pool_exam(task), said.source, said.name, path, md5, items))
    return files


def removed_sources(ledger: Ledger) -> frozenset[str]:
    """Return the files of inputs that were removed, and not added again since."""
    removed = {
        source: event.seq
        for event in told(ledger, RemovalBegun)
        for source in event.payload.sources
    }
    if not removed:
        return frozenset()
    brought = {event.payload.source: event.seq for event in told(ledger, HoldoutDone)}
    return frozenset(source for source, seq in removed.items() if seq > brought[source])


def _brought(ledger: Ledger) -> list[HoldoutDone]:
    return [event.payload for event in told(ledger, HoldoutDone)]


def answers(ledger: Ledger, task: str) -> dict[str, list[Answer]]:
    """Return the answers to a task's inputs: item digest -> answers, oldest first."""
    table, found = schema.answers, dict[str, list[Answer]]()
    now = renamed_tasks(ledger).get(task, task)  # evidence says what it was called then
    for row in ledger.query(sa.select(table).where(table.c.task == now).order_by(table.c.seq)):
        said = {**row._mapping, "offered": (*json.loads(row.offered),), "again": bool(row.again)}
        found.setdefault(row.item, []).append(Answer(**said))
    return found


def pool_seeds(ledger: Ledger, items: Iterable[str]) -> dict[str, str]:
    """Return the secret from which the order of questions about each input is drawn."""
    table = schema.holdout.c
    rows = ledger.query(sa.select(table.item, table.source).where(table.item.in_(among(items))))
    seeds = {said.source: said.seed or "" for said in _brought(ledger)}
    return {row.item: seeds[row.source] for row in rows if row.source in seeds}
