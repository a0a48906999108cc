"""Questions about batches: what arrived, what waits, how it was split, what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from components.ledger import schema
from components.ledger.ledger import Ledger


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


def split_side(ledger: Ledger, batch: str, side: str) -> list[str]:
    """Return the item digests of one side of a batch's latest split, sorted."""
    table = schema.splits
    statement = sa.select(table.c.item).where(table.c.batch == batch, table.c.side == side)
    return [row.item for row in ledger.query(statement.order_by(table.c.item))]


def quarantined(ledger: Ledger) -> list[Any]:
    """Return the quarantine's rows: (batch, kind, rows, reason, status)."""
    table = schema.quarantine
    return ledger.query(sa.select(table).order_by(table.c.batch, table.c.kind))
