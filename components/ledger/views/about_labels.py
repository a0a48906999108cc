"""Questions about what people said of single inputs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from components.ledger import schema
from components.ledger.database import among
from components.ledger.events import HoldoutDone
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
    seeds = {done.payload.source: done.payload.seed or "" for done in told(ledger, HoldoutDone)}
    return {row.item: seeds[row.source] for row in rows if row.source in seeds}
