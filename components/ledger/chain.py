"""Events and their hash chain.

Concept: an event's hash covers every stored byte of it and the hash of the event before; the
`head` names the last event, so that a missing last event is noticed as well.

Promise: an event is hashed exactly as it is stored. Texts are compared as stored in the file, so
a change of letter case, type or encoding is found.
"""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.digest import bytes_digest, canonical_json
from components.errors import Corrupted
from components.ledger import schema

GENESIS = "0" * 64
REMEDY = "Restore the ledger from a backup; do not promote anything before it verifies."

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded event. `payload` is JSON text, exactly as hashed."""

    seq: int
    time: str
    kind: str
    payload: str
    previous: str
    hash: str


def event_hash(seq: int, time: str, kind: str, payload: str, previous: str) -> str:
    """Return the hash that chains an event: every stored byte of it is covered."""
    text = canonical_json([seq, time, kind, payload, previous])
    return bytes_digest(text.encode("utf-8", "surrogatepass"))


def payload_text(payload: dict[str, Any]) -> str:
    r"""Return a payload as canonical JSON that UTF-8 can hold.

    A lone surrogate (of a file name that is not UTF-8, say) becomes the text `\udce9`.

    Raises:
        ValueError: a NaN or an infinity is inside.
    """
    escaped = canonical_json(payload)
    return _LONE_SURROGATE.sub(lambda found: rf"\\u{ord(found[0]):04x}", escaped)


def extend(connection: Connection, time: str, kind: str, payload: str) -> Event:
    """Write the next event and move the head to it."""
    head = connection.execute(sa.select(schema.head)).one()
    digest = event_hash(head.seq + 1, time, kind, payload, head.hash)
    event = Event(head.seq + 1, time, kind, payload, head.hash, digest)
    connection.execute(schema.events.insert().values(astuple(event)))
    connection.execute(schema.head.update().values(seq=event.seq, hash=event.hash))
    return event


def read_chain(connection: Connection, place: str) -> list[Event]:
    """Return all events, oldest first, once their chain is proved up to the head.

    Raises:
        Corrupted: names the first event that does not fit.
    """
    rows = connection.execute(sa.select(schema.events).order_by(schema.events.c.seq)).all()
    events = [Event(*row) for row in rows]
    previous = GENESIS
    for number, event in enumerate(events, start=1):
        where = f"Event {number} of the ledger {place}"
        if type(event.seq) is not int or not all(type(part) is str for part in astuple(event)[1:]):
            raise Corrupted(f"{where} has a value of the wrong type.", REMEDY)
        expected = event_hash(number, event.time, event.kind, event.payload, previous)
        if (event.seq, event.previous, event.hash) != (number, previous, expected):
            raise Corrupted(f"{where} does not match its hash or the event before it.", REMEDY)
        previous = event.hash
    heads = [tuple(row) for row in connection.execute(sa.select(schema.head)).all()]
    if heads != [(len(events), previous)]:
        raise Corrupted(
            f"The ledger {place} ends at event {len(events)}, but its head says "
            f"{', '.join(str(seq) for seq, _ in heads) or 'nothing'}: events were cut off.",
            REMEDY,
        )
    return events
