"""Proving the ledger: the chain of hashes, and the projections rebuilt from the events.

Concept: an event's hash covers every stored byte of it and the hash before it. Values are
compared as bytes, so a changed letter case, type or encoding is found as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.errors import Corrupted
from components.ledger import schema
from components.ledger.book import GENESIS, Ledger, event_hash
from components.ledger.projections import apply

REMEDY = "Restore the ledger from a backup; do not promote anything before it verifies."


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger that holds: how many events, and the hash of the last one."""

    events: int
    head: str


def verify(ledger: Ledger) -> Verified:
    """Check the whole chain, then that the projections are what the events say.

    Raises:
        Corrupted: names the first event, or the projection, that does not hold.
    """
    rows = _raw_events(ledger)
    head = _check_chain(rows, ledger.place)
    _check_projections(ledger, rows)
    return Verified(len(rows), head)


def rebuild(ledger: Ledger) -> int:
    """Empty every projection and fill it again from the verified events; return their count."""
    rows = _raw_events(ledger)
    _check_chain(rows, ledger.place)
    with ledger.writing() as connection:
        schema.metadata.create_all(connection)
        for table in schema.projections:
            connection.execute(table.delete())
        _replay(connection, rows)
    return len(rows)


def _raw_events(ledger: Ledger) -> list[Any]:
    columns = [
        sa.cast(column, sa.LargeBinary).label(column.name) for column in schema.events.columns
    ]
    return ledger.query(sa.select(*columns).order_by(schema.events.c.seq))


def _check_chain(rows: list[Any], place: str) -> str:
    previous = GENESIS
    for number, row in enumerate(rows, start=1):
        where = f"Event {number} of the ledger {place}"
        try:
            seq, time, kind, payload, before, digest = (bytes(part).decode() for part in row)
        except UnicodeDecodeError:
            raise Corrupted(f"{where} is not UTF-8 any more.", REMEDY) from None
        expected = event_hash(number, time, kind, payload, previous)
        if seq != str(number) or before != previous or digest != expected:
            raise Corrupted(f"{where} does not fit its hash or its predecessor.", REMEDY)
        previous = digest
    return previous


def _replay(connection: Connection, rows: list[Any]) -> None:
    for row in rows:
        seq, time, kind, payload = (bytes(part).decode() for part in row[:4])
        apply(connection, int(seq), time, kind, json.loads(payload))


def _check_projections(ledger: Ledger, rows: list[Any]) -> None:
    scratch = sa.create_engine("sqlite://")
    with scratch.begin() as connection:
        schema.metadata.create_all(connection)
        _replay(connection, rows)
        for table in schema.projections:
            statement = sa.select(table).order_by(*table.primary_key.columns)
            if list(connection.execute(statement).all()) != ledger.query(statement):
                raise Corrupted(
                    f"The projection `{table.name}` of the ledger {ledger.place} is not what "
                    "the events say.",
                    "Run `ratchet reconcile --rebuild` to fill it again from the events.",
                )
