"""Questions to the projections: who is champion, what waits, what is held out.

Concept: read-only functions over one `Ledger`, each a query or two, each answering in
plain values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from components.ledger import schema
from components.ledger.book import Ledger
from components.ledger.chain import Event
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


def champion(ledger: Ledger) -> Version | None:
    """Return the version in force, or None before the first promotion."""
    found = _versions(ledger, schema.versions.c.status == "champion")
    return found[0] if found else None


def version(ledger: Ledger, number: int) -> Version | None:
    """Return one version."""
    found = _versions(ledger, schema.versions.c.version == number)
    return found[0] if found else None


def versions(ledger: Ledger) -> list[Version]:
    """Return all versions, oldest first."""
    return _versions(ledger, sa.true())


def lineage(ledger: Ledger) -> list[Version]:
    """Return the champion and its ancestors, newest first."""
    return _versions(ledger, schema.versions.c.status.in_(LINEAGE))[::-1]


def _versions(ledger: Ledger, condition: Any) -> list[Version]:
    table = schema.versions
    rows = ledger.query(sa.select(table).where(condition).order_by(table.c.version))
    return [Version(**{**row._mapping, "anchors": json.loads(row.anchors)}) for row in rows]


def arrival(ledger: Ledger, batch: str) -> Arrival | None:
    """Return the inbox row of one batch."""
    found = _arrivals(ledger, schema.inbox.c.batch == batch)
    return found[0] if found else None


def arrivals(ledger: Ledger) -> list[Arrival]:
    """Return the whole inbox, oldest first."""
    return _arrivals(ledger, sa.true())


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


def trained_near(ledger: Ledger) -> frozenset[str]:
    """Return the near-duplicate keys of all that the champion's lineage was trained on."""
    splits, table = schema.splits, schema.versions
    statement = (
        sa.select(splits.c.near)
        .join(table, table.c.batch == splits.c.batch)
        .where(splits.c.side == "train", table.c.status.in_(LINEAGE))
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
    """Return the tasks that a version of the champion's lineage was trained on."""
    splits, table = schema.splits, schema.versions
    statement = (
        sa.select(splits.c.task)
        .join(table, table.c.batch == splits.c.batch)
        .where(table.c.status.in_(LINEAGE))
        .distinct()
    )
    return frozenset(row.task for row in ledger.query(statement))


def pointer_history(ledger: Ledger) -> list[Any]:
    """Return every move of the champion pointer, oldest first."""
    return ledger.query(sa.select(schema.pointer).order_by(schema.pointer.c.seq))


def quarantined(ledger: Ledger) -> list[Any]:
    """Return the quarantine's rows: (batch, kind, rows, reason, status)."""
    table = schema.quarantine
    return ledger.query(sa.select(table).order_by(table.c.batch, table.c.kind))


def open_intents(ledger: Ledger) -> list[dict[str, Any]]:
    """Return what was begun and has no recorded outcome: payloads with their `kind`."""
    rows = ledger.query(sa.select(schema.open_intents).order_by(schema.open_intents.c.key))
    return [{"kind": row.kind, **json.loads(row.payload)} for row in rows]


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
