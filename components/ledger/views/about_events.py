"""Questions to the events themselves, each read as its class; and what was begun and not ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    return _arrival(ledger, arrival).payload


def sender(ledger: Ledger, arrival: Arrival) -> str:
    """Return who brought a batch, as the ledger knows it: `user@host`, or `pipeline`."""
    return _arrival(ledger, arrival).actor


def _arrival(ledger: Ledger, arrival: Arrival) -> Recorded[BatchArrived]:
    [event] = _read(ledger, BatchArrived, schema.events.c.seq == arrival.position)
    return event


def newest_of_batch(ledger: Ledger, kind: type[P], arrival: Arrival) -> P | None:
    """Return what the newest event of a kind says of a batch, or None; looks since it arrived."""
    table, batch = schema.events.c, arrival.batch
    mentions = sa.and_(table.seq > arrival.position, table.payload.contains(batch))
    found = _newest(ledger, kind, mentions, lambda said: getattr(said, "batch", None) == batch)
    return found.payload if found else None


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
    found = _newest(ledger, kind, sa.true())
    return found.payload if found else None


def examined(ledger: Ledger, version: Version) -> Recorded[CandidateExamined] | None:
    """Return the newest examination of a version: of its batch and bundle, with its evidence."""
    mentions = schema.events.c.payload.contains(version.evidence)
    wanted = (version.batch, version.bundle, version.evidence)
    return _newest(
        ledger,
        CandidateExamined,
        mentions,
        lambda said: (said.batch, said.bundle, said.evidence) == wanted,
    )


def told(ledger: Ledger, kind: type[P], after: int = 0) -> list[Recorded[P]]:
    """Return the events of a kind, oldest first; `after` the event of that number."""
    return _read(ledger, kind, schema.events.c.seq > after)


def event_times(ledger: Ledger, numbers: Iterable[int]) -> dict[int, str]:
    """Return number -> time of these events, in ISO 8601."""
    table = schema.events.c
    wanted = sa.select(table.seq, table.time).where(table.seq.in_([*numbers]))
    return {row.seq: row.time for row in ledger.query(wanted)}


def _newest(
    ledger: Ledger, kind: type[P], condition: Any, matches: Callable[[P], bool] = lambda said: True
) -> Recorded[P] | None:
    """Return the newest event whose row meets `condition` and whose payload `matches`.

    A condition that looks for a digest in a payload's text finds what merely mentions it too: a
    task may be named like a digest. So it only narrows down what is read.
    """
    wanted = _of_kind(kind, condition).order_by(schema.events.c.seq.desc())
    with ledger.reading() as connection:
        found = (cast(Recorded[P], read(Event(*row))) for row in connection.execute(wanted))
        return next((each for each in found if matches(each.payload)), None)


def _read(ledger: Ledger, kind: type[P], condition: Any) -> list[Recorded[P]]:
    wanted = _of_kind(kind, condition).order_by(schema.events.c.seq)
    return [cast(Recorded[P], read(Event(*row))) for row in ledger.query(wanted)]


def _of_kind(kind: type[P], condition: Any) -> sa.Select[Any]:
    table = schema.events
    names = [name for name, each in KINDS.items() if issubclass(each, kind)]  # earlier names too
    return sa.select(table).where(table.c.kind.in_(names), condition)


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
