"""Questions about batches: what arrived, what waits, how it was split, what is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import sqlalchemy as sa

from components.ledger import schema
from components.ledger.database import among
from components.ledger.ledger import Ledger
from components.ledger.projections import LINEAGE


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


def members(ledger: Ledger, batch: str) -> list[Arrival]:
    """Return the batches that a pooled one was made of, those of pooled members in their place.

    Empty for a batch that was not pooled from others.
    """
    found: list[Arrival] = []
    for member in direct_members(ledger, batch):
        inner = members(ledger, member)
        found += inner or _arrivals(ledger, schema.inbox.c.batch == member)
    return found


def direct_members(ledger: Ledger, batch: str) -> list[str]:
    """Return the same as they were pooled, each by its digest; a member may be pooled itself."""
    table = schema.pools.c
    statement = sa.select(table.member).where(table.batch == batch).order_by(table.place)
    return [row.member for row in ledger.query(statement)]


def pooled_from(ledger: Ledger, batch: str) -> list[str]:
    """Return a batch and all that it was pooled from, directly or not, by digest."""
    inner = (pooled_from(ledger, member) for member in direct_members(ledger, batch))
    return [batch, *chain.from_iterable(inner)]


def pooled_into(ledger: Ledger, batch: str) -> str:
    """Return the batch that a batch is trained as: itself, or the newest it was pooled into."""
    table, status = schema.pools.c, schema.inbox.c.status
    newest = sa.select(table.batch).join(schema.inbox, schema.inbox.c.batch == table.member)
    newest = newest.where(table.member == batch, status == "pooled").order_by(table.seq.desc())
    found = ledger.query(newest.limit(1))
    return pooled_into(ledger, found[0].batch) if found else batch


def held_batches(ledger: Ledger) -> list[Arrival]:
    """Return what waits for a decision by a person, oldest first."""
    return _arrivals(ledger, schema.inbox.c.status == "held")


def _arrivals(ledger: Ledger, condition: Any) -> list[Arrival]:
    table = schema.inbox
    rows = ledger.query(sa.select(table).where(condition).order_by(table.c.position))
    return [Arrival(**row._mapping) for row in rows]


def split_side(ledger: Ledger, batch: str, side: str | None = None) -> list[str]:
    """Return the item digests of one side of a batch's latest split, or of both, sorted."""
    table = schema.splits
    statement = sa.select(table.c.item).where(table.c.batch == batch)
    if side is not None:
        statement = statement.where(table.c.side == side)
    return [row.item for row in ledger.query(statement.order_by(table.c.item))]


def near_keys(ledger: Ledger, batch: str) -> frozenset[str]:
    """Return what near-duplicates of a batch's rows have in common, as it was last split."""
    table = schema.splits.c
    rows = ledger.query(sa.select(table.near).where(table.batch == batch))
    return frozenset(row.near for row in rows)


def promoted_with(ledger: Ledger, near: Iterable[str], since: int) -> dict[str, Arrival]:
    """Return those of the near-duplicate keys that a promoted batch has -> the newest such batch.

    `since`: the position in the inbox from which on batches count.
    """
    splits, inbox, versions = schema.splits.c, schema.inbox, schema.versions.c
    statement = (
        sa.select(splits.near, inbox)
        .join(inbox, inbox.c.batch == splits.batch)
        .join(schema.versions, versions.batch == splits.batch)
        .where(versions.status.in_(LINEAGE), inbox.c.position >= since)
        .where(splits.near.in_(among(near)))
        .order_by(inbox.c.position)
    )
    rows = (dict(row._mapping) for row in ledger.query(statement))
    return {row.pop("near"): Arrival(**row) for row in rows}


def sharing_rows(ledger: Ledger, numbers: Iterable[int]) -> set[int]:
    """Return which versions that did not get in have rows that these versions' batches have too."""
    splits, versions = schema.splits.c, schema.versions.c
    theirs = sa.select(versions.batch).where(versions.version.in_([*numbers]))
    near = sa.select(splits.near).where(splits.batch.in_(theirs))
    batches = sa.select(splits.batch).where(splits.near.in_(near))
    statement = sa.select(versions.version).where(versions.batch.in_(batches))
    rows = ledger.query(statement.where(versions.status.in_(("held", "rejected", "barred"))))
    return {row.version for row in rows}


def quarantined(ledger: Ledger, batch: str | None = None) -> list[Any]:
    """Return the quarantine's rows, of one batch or of all: (batch, kind, rows, reason, status)."""
    table = schema.quarantine
    own = sa.true() if batch is None else table.c.batch == batch
    return ledger.query(sa.select(table).where(own).order_by(table.c.batch, table.c.kind))
