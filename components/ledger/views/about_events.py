"""Questions to the events themselves, each read as its class; and what was begun and not ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import sqlalchemy as sa

from components.ledger import schema
from components.ledger.chain import Event
from components.ledger.events import (
    KINDS,
    BatchArrived,
    CandidateExamined,
    Recorded,
    decode,
    payload_of,
    read,
)
from components.ledger.events.kind import P
from components.ledger.ledger import Ledger
from components.ledger.views.about_batches import Arrival
from components.ledger.views.about_versions import Version


def arrived(ledger: Ledger, arrival: Arrival) -> BatchArrived:
    """Return what the event of an arrival says."""
    [event] = _read(ledger, BatchArrived, schema.events.c.seq == arrival.position)
    return event.payload


def newest_of_batch(ledger: Ledger, kind: type[P], arrival: Arrival) -> P | None:
    """Return what the newest event of a kind says of a batch, or None; looks since it arrived."""
    table = schema.events.c
    of_batch = sa.and_(table.seq > arrival.position, table.payload.contains(arrival.batch))
    return _newest(ledger, kind, of_batch)


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


def examined(ledger: Ledger, version: Version) -> Recorded[CandidateExamined] | None:
    """Return the newest examination that gave a version its evidence."""
    of_it = schema.events.c.payload.contains(version.evidence)
    found = _read(ledger, CandidateExamined, of_it, newest_only=True)
    return found[0] if found else None


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
    names = [name for name, each in KINDS.items() if issubclass(each, kind)]  # earlier names too
    wanted = sa.select(table).where(table.c.kind.in_(names), condition)
    if newest_only:  # read from the end
        wanted = wanted.order_by(table.c.seq.desc()).limit(1)
    else:
        wanted = wanted.order_by(table.c.seq)
    return [cast(Recorded[P], read(Event(*row))) for row in ledger.query(wanted)]


def entry_marks(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Return the newest marks of each quarantine entry: batch -> file name -> mark."""
    return newest_entry_marks(map(payload_of, events(ledger)))


def newest_entry_marks(payloads: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the same from the payloads of events, oldest first."""
    found: dict[str, dict[str, Any]] = {}
    for payload in payloads:
        batch = entered(payload)
        if payload.get("quarantine") and batch:
            found[batch] = payload["quarantine"]
    return found


def entered(payload: Mapping[str, Any]) -> str:
    """Return the batch that an event puts in quarantine, from its payload as it stands, or ""."""
    return next(filter(None, map(payload.get, ("batch", "offending_batch", "guilty"))), "")


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
    return [event for event in found if payload_of(event).get("batch") == batch]
