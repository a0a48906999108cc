"""The ledger itself: its file, its chain, what follows from it, the noted head, the leases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from components.ledger import schema
from components.ledger.chain import REMEDY
from components.ledger.head_file import NAME
from components.ledger.leases import is_dead
from components.ledger.ledger import TWO_WAYS_OUT
from components.ledger.verify import verify
from components.operations.verification.findings import Finding, Found, Holds, Skipped, some
from components.operations.verification.scene import Scene
from components.operations.verification.tables import NOT_READ

NOTE_AGAIN = (
    "Compare the head below with one that you stored elsewhere, then run `ratchet reconcile`: "
    "it records the head again."
)


def check_ledger(scene: Scene) -> Iterator[Found]:
    """The first event, table or projection that does not hold."""
    for place in scene.unread:
        yield Finding(f"event {place} of the ledger", "its payload is not a JSON object", REMEDY)
    verified = verify(scene.ws.ledger)
    yield Holds("events", verified.events)
    if verified.beside:
        yield Skipped(f"{some(verified.beside)} in the ledger", NOT_READ)


def check_head_file(scene: Scene) -> Iterator[Found]:
    """The head noted beside the ledger: one that is ahead says that the ledger is an older copy.

    Every Ratchet that records settings notes the head as well; earlier ones noted none.
    """
    ledger, path = scene.ws.ledger, scene.ws.mlruns / NAME
    if scene.events is None or not path.exists():
        if scene.events and scene.told("settings.seen"):
            yield Finding(scene.relative(path), "the head file is missing", NOTE_AGAIN, "unsafe")
        elif scene.events:
            yield Skipped(scene.relative(path), "no head is recorded next to the ledger")
        return
    if ledger.noted() is None:
        yield Finding(scene.relative(path), "it can't be read", TWO_WAYS_OUT)
    elif (differs := ledger.difference()) is not None:
        yield Finding(scene.relative(path), differs.rstrip("."), TWO_WAYS_OUT)


def check_leases(scene: Scene) -> Iterator[Found]:
    """Leases say who writes now: no event tells of them, so only senseless ones are found."""
    ledger, table = scene.ws.ledger, schema.leases
    if scene.events is None:
        return
    for row in ledger.query(sa.select(table)):
        if not _sensible(row):
            yield Finding(
                f"lease `{row.name}` of the ledger {ledger.place}",
                f"it is invalid: token {row.token!r}, ends {row.expires!r}, "
                f"in_order {row.in_order!r}",
                "Delete the row; the next writer takes a new lease.",
            )
        elif row.holder and not is_dead(row.holder):
            why = (
                f"{row.holder} is writing under the lease `{row.name}`: files may be ahead of "
                "events"
            )
            yield Skipped("what is being written right now", why)
    yield Skipped(
        "who holds which lease", "leases say who is writing right now; events do not record them"
    )


def _sensible(row: sa.Row[tuple[object, ...]]) -> bool:
    try:
        datetime.fromisoformat(row.expires)
    except (TypeError, ValueError):
        return row.expires == "" and type(row.token) is int
    return type(row.token) is int and row.token > 0 and row.in_order in (0, 1) and bool(row.name)
