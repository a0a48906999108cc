"""Questions to the projections: who is champion, what waits, what is held out.

Concept: read-only functions over one `Ledger`, each a query or two, each answering in
plain values. What every batch asks is asked by index; what reads a whole table (`versions`,
`arrivals`, `held_items`) is for commands that show or prove all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

import sqlalchemy as sa

from components.digest import json_digest
from components.ledger import schema
from components.ledger.book import Ledger
from components.ledger.chain import Event
from components.ledger.database import among
from components.ledger.events import BatchArrived, Recorded, decode, read
from components.ledger.events.kind import P
from components.ledger.projections import LINEAGE


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version. `anchors`: task -> version that the task is held against."""

    version: int
    batch: str
    bundle: str
    parent: int | None
    status: str
    evidence: str
    headline: str
    anchors: dict[str, int]
    run: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A row of the inbox, first in first out by `position`."""

    batch: str
    position: int
    source: str
    task: str
    suffix: str
    status: str
    reason: str
    version: int | None


@dataclass(frozen=True, slots=True)
class HeldItem:
    """A held-out item: its exam, its task, and the file or batch that holds its text."""

    exam: str
    item: str
    near: str
    task: str
    source: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What a setting that stands on `auto` was found to be, and why, in one line."""

    value: Any
    why: str


def choices(ledger: Ledger) -> dict[str, Choice]:
    """Return what was chosen, by the setting's full name."""
    rows = ledger.query(sa.select(schema.choices))
    return {row.name: Choice(json.loads(row.value), row.why) for row in rows}


@dataclass(frozen=True, slots=True)
class Served:
    """Candidates that an exam helped to decide on, and those of them that it did not let pass."""

    decisions: int = 0
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Exam:
    """An exam as it is sat: its items sorted by digest, at most as many as were asked for."""

    exam: str
    task: str
    items: list[str]


def champion(ledger: Ledger) -> Version | None:
    """Return the version in force, or None before the first promotion."""
    found = versions(ledger, status="champion")
    return found[0] if found else None


def version(ledger: Ledger, number: int) -> Version | None:
    """Return one version."""
    found = versions(ledger, version=number)
    return found[0] if found else None


def versions(ledger: Ledger, **wanted: str | int) -> list[Version]:
    """Return all versions, oldest first; `batch=...`, `bundle=...`, `status=...` narrow down."""
    table = schema.versions
    narrowed = [table.c[name] == value for name, value in wanted.items()]
    return _versions(ledger, sa.and_(True, *narrowed))


def newest(ledger: Ledger) -> int | None:
    """Return the highest number that a version has, or None before the first one."""
    [(number,)] = ledger.query(sa.select(sa.func.max(schema.versions.c.version)))
    return None if number is None else int(number)


def newest_held(ledger: Ledger, parent: int | None) -> int | None:
    """Return the newest version that waits for a person and was trained from `parent`."""
    table = schema.versions.c
    statement = sa.select(sa.func.max(table.version))
    wanted = statement.where(table.status == "held", table.parent.is_not_distinct_from(parent))
    [(number,)] = ledger.query(wanted)
    return None if number is None else int(number)


def lineage(ledger: Ledger) -> list[Version]:
    """Return the champion and its ancestors, newest first."""
    return _versions(ledger, schema.versions.c.status.in_(LINEAGE))[::-1]


def lineage_evidence(ledger: Ledger) -> list[tuple[int, str]]:
    """Return (version, evidence) of the champion and its ancestors, oldest first."""
    table = schema.versions.c
    statement = sa.select(table.version, table.evidence).where(table.status.in_(LINEAGE))
    return [tuple(row) for row in ledger.query(statement.order_by(table.version))]


def _versions(ledger: Ledger, condition: Any) -> list[Version]:
    table = schema.versions
    columns = [table.c[each.name] for each in fields(Version)]
    rows = ledger.query(sa.select(*columns).where(condition).order_by(table.c.version))
    return [Version(**{**row._mapping, "anchors": json.loads(row.anchors)}) for row in rows]


def arrival(ledger: Ledger, batch: str) -> Arrival | None:
    """Return the inbox row of one batch."""
    found = _arrivals(ledger, schema.inbox.c.batch == batch)
    return found[0] if found else None


def arrivals(ledger: Ledger) -> list[Arrival]:
    """Return the whole inbox, oldest first."""
    return _arrivals(ledger, sa.true())


def arrived(ledger: Ledger, arrival: Arrival) -> BatchArrived:
    """Return what the event of an arrival says."""
    [event] = _read(ledger, BatchArrived, schema.events.c.seq == arrival.position)
    return event.payload


def newest_of_batch(ledger: Ledger, kind: type[P], arrival: Arrival) -> P | None:
    """Return what the newest event of a kind says of a batch, or None; looks since it arrived."""
    table = schema.events.c
    of_batch = sa.and_(table.seq > arrival.position, table.payload.contains(arrival.batch))
    return _newest(ledger, kind, of_batch)


def waiting(ledger: Ledger) -> list[Arrival]:
    """Return what is queued, or was running when a process died, oldest first."""
    return _arrivals(ledger, schema.inbox.c.status.in_(("queued", "running")))


def _arrivals(ledger: Ledger, condition: Any) -> list[Arrival]:
    table = schema.inbox
    rows = ledger.query(sa.select(table).where(condition).order_by(table.c.position))
    return [Arrival(**row._mapping) for row in rows]


def held_items(ledger: Ledger) -> list[HeldItem]:
    """Return everything that is held out now, by exam and item digest."""
    table = schema.holdout
    columns = (table.c.exam, table.c.item, table.c.near, table.c.task, table.c.source)
    rows = ledger.query(sa.select(*columns).order_by(table.c.exam, table.c.item))
    return [HeldItem(*row) for row in rows]


def held(ledger: Ledger, items: Iterable[str]) -> dict[str, HeldItem]:
    """Return those of `items` that are held out now, by item digest."""
    table = schema.holdout
    columns = (table.c.exam, table.c.item, table.c.near, table.c.task, table.c.source)
    statement = sa.select(*columns).where(table.c.item.in_(among(items))).order_by(table.c.exam)
    return {row.item: HeldItem(*row) for row in ledger.query(statement)}


def held_from_batches(ledger: Ledger, items: Iterable[str]) -> frozenset[str]:
    """Return those of `items` that were held out of a promoted batch, not brought by people."""
    table = schema.holdout.c
    statement = sa.select(table.item).where(table.item.in_(among(items)))
    return frozenset(row.item for row in ledger.query(statement.where(table.version.is_not(None))))


def held_among(ledger: Ledger, near: Iterable[str]) -> frozenset[str]:
    """Return those of the near-duplicate keys that stand for something held out now."""
    table = schema.holdout.c
    statement = sa.select(table.near).where(table.near.in_(among(near))).distinct()
    return frozenset(row.near for row in ledger.query(statement))


def exams(ledger: Ledger, max_items: int) -> list[Exam]:
    """Return every exam by name; a large one keeps its smallest item digests (law 4)."""
    found = []
    with ledger.reading() as connection:
        for name in _exam_names(connection):
            table = schema.holdout.c
            rows = connection.execute(
                sa.select(table.item, table.task)
                .where(table.exam == name)
                .order_by(table.item)
                .limit(max_items)
            ).all()
            found.append(Exam(name, rows[0].task, [row.item for row in rows]))
    return found


def _exam_names(connection: sa.Connection) -> list[str]:
    """Return the names of all exams, sorted: one step of the index a name."""
    table, names = schema.holdout.c, list[str]()
    next_one = sa.select(sa.func.min(table.exam))
    name = connection.execute(next_one).scalar()
    while name is not None:
        names.append(name)
        name = connection.execute(next_one.where(table.exam > name)).scalar()
    return names


def exam_tasks(ledger: Ledger) -> frozenset[str]:
    """Return the tasks that have an exam."""
    table, found = schema.holdout.c, set[str]()
    with ledger.reading() as connection:
        for name in _exam_names(connection):
            statement = sa.select(table.task).where(table.exam == name).limit(1)
            found.add(str(connection.execute(statement).scalar_one()))
    return frozenset(found)


def served(ledger: Ledger, but: str | None = None) -> dict[str, Served]:
    """Return by exam which use it had, the decision on one bundle left out."""
    table = schema.served.c
    statement = sa.select(table.exam, sa.func.count(), sa.func.sum(table.refused))
    rows = ledger.query(statement.where(table.bundle.is_distinct_from(but)).group_by(table.exam))
    return {exam: Served(decisions, refusals) for exam, decisions, refusals in rows}


def exam_sizes(ledger: Ledger) -> dict[str, tuple[str, int]]:
    """Return exam -> (task, how many items are held out for it), by name."""
    table = schema.holdout.c
    statement = sa.select(table.exam, sa.func.min(table.task), sa.func.count())
    rows = ledger.query(statement.group_by(table.exam).order_by(table.exam))
    return {exam: (task, count) for exam, task, count in rows}


def wall(ledger: Ledger) -> str:
    """Return the digest of all that is held out, and of all that the lineage was trained on.

    Each promotion chains its rows to the walls before it; what people brought is named by
    the digests of its sources.
    """
    held, table = schema.holdout.c, schema.versions.c
    brought = sa.select(held.source).where(held.version.is_(None)).distinct()
    built = ledger.query(sa.select(table.wall).where(table.status == "champion"))
    sources = ledger.query(brought.order_by(held.source))
    return json_digest([[row.wall for row in built], [row.source for row in sources]])


def trained_among(ledger: Ledger, near: Iterable[str]) -> frozenset[str]:
    """Return those of the near-duplicate keys that the champion's lineage was trained on."""
    splits, table = schema.splits, schema.versions
    statement = (
        sa.select(splits.c.near)
        .join(table, table.c.batch == splits.c.batch)
        .where(splits.c.side == "train", table.c.status.in_(LINEAGE))
        .where(splits.c.near.in_(among(near)))
    )
    return frozenset(row.near for row in ledger.query(statement))


def trained_bundle(ledger: Ledger, key: str) -> str | None:
    """Return the bundle that a lesson gave when it was trained before."""
    table = schema.trained
    rows = ledger.query(sa.select(table.c.bundle).where(table.c.key == key))
    return rows[0].bundle if rows else None


def split_side(ledger: Ledger, batch: str, side: str) -> list[str]:
    """Return the item digests of one side of a batch's latest split, sorted."""
    table = schema.splits
    statement = sa.select(table.c.item).where(table.c.batch == batch, table.c.side == side)
    return [row.item for row in ledger.query(statement.order_by(table.c.item))]


def known_tasks(ledger: Ledger) -> frozenset[str]:
    """Return the tasks that a version of the champion's lineage brought: each has an anchor."""
    found = champion(ledger)
    return frozenset(found.anchors) if found else frozenset()


def pointer_history(ledger: Ledger) -> list[Any]:
    """Return every move of the champion pointer, oldest first."""
    return ledger.query(sa.select(schema.pointer).order_by(schema.pointer.c.seq))


def quarantined(ledger: Ledger) -> list[Any]:
    """Return the quarantine's rows: (batch, kind, rows, reason, status)."""
    table = schema.quarantine
    return ledger.query(sa.select(table).order_by(table.c.batch, table.c.kind))


def open_intents(ledger: Ledger, kind: type[P]) -> list[P]:
    """Return what was begun of a kind and has no recorded outcome."""
    table = schema.open_intents.c
    statement = sa.select(table.payload).where(table.kind == kind.about.name).order_by(table.key)
    return [cast(P, decode(kind.about.name, row.payload)) for row in ledger.query(statement)]


def open_keys(ledger: Ledger) -> frozenset[str]:
    """Return the keys of all that was begun and has no recorded outcome."""
    return frozenset(row.key for row in ledger.query(sa.select(schema.open_intents.c.key)))


def newest_event(ledger: Ledger, kind: type[P]) -> P | None:
    """Return what the newest event of a kind says."""
    return _newest(ledger, kind, sa.true())


def told(ledger: Ledger, kind: type[P]) -> list[Recorded[P]]:
    """Return the events of a kind, oldest first."""
    return _read(ledger, kind, sa.true())


def _newest(ledger: Ledger, kind: type[P], condition: Any) -> P | None:
    found = _read(ledger, kind, condition, newest_only=True)
    return found[0].payload if found else None


def _read(
    ledger: Ledger, kind: type[P], condition: Any, newest_only: bool = False
) -> list[Recorded[P]]:
    table = schema.events
    wanted = sa.select(table).where(table.c.kind == kind.about.name, condition)
    if newest_only:  # read from the end
        wanted = wanted.order_by(table.c.seq.desc()).limit(1)
    else:
        wanted = wanted.order_by(table.c.seq)
    return [cast(Recorded[P], read(Event(*row))) for row in ledger.query(wanted)]


def entry_marks(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Return the newest marks of each quarantine entry: batch -> file name -> mark."""
    return newest_entry_marks(json.loads(event.payload) for event in events(ledger))


def newest_entry_marks(payloads: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the same from the payloads of events, oldest first."""
    found: dict[str, dict[str, Any]] = {}
    for payload in payloads:
        batch = payload.get("batch") or payload.get("guilty")
        if payload.get("quarantine") and batch:
            found[batch] = payload["quarantine"]
    return found


def events(ledger: Ledger, **wanted: str) -> list[Event]:
    """Return events oldest first; `kind=...` and `batch=...` narrow them down."""
    table = schema.events
    statement = sa.select(table).order_by(table.c.seq)
    if "kind" in wanted:
        statement = statement.where(table.c.kind == wanted["kind"])
    found = [Event(*row) for row in ledger.query(statement)]
    batch = wanted.get("batch")
    if batch is None:
        return found
    return [event for event in found if json.loads(event.payload).get("batch") == batch]
