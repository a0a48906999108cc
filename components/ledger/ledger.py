"""Append to the ledger under a lease.

Concept: one `append` is one transaction: check the fencing token, chain the event to the
one before it, update the projections.

Promise: an event is recorded with all its consequences, or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.clock import Clock
from components.errors import NeedsHuman, Retryable
from components.ledger import chain, layout, leases
from components.ledger.chain import Event
from components.ledger.events import LedgerAccepted, Payload, encode, read
from components.ledger.head_file import Head, difference, newest, read_note, write_note
from components.ledger.leases import Lease
from components.ledger.projections import apply

__all__ = ["Event", "Head", "Lease", "Ledger"]

POLL_SECONDS = 0.2

TWO_WAYS_OUT = (
    "Restore the newer ledger; or, if this one is right, run `ratchet reconcile "
    "--accept-ledger`: what it does not know is moved to data/unknown."
)


class Ledger:
    """The ledger of one root.

    Args:
        path: the file; it is made where missing.
        clock: tells the time that events carry.
        actor: who causes the events that are appended, for instance "pipeline"; "" says nothing.

    Raises:
        ConfigError: a newer Ratchet wrote the file.
        Corrupted: the file is empty, or is no ledger.
        Retryable: the file can't be opened or made now.
    """

    def __init__(self, path: Path, clock: Clock, actor: str = "") -> None:
        self.clock = clock
        self.actor = actor
        self.path = path
        self.place = str(path)
        self._database = layout.open_database(path)

    def append(self, said: Payload, lease: Lease | None) -> Event:
        """Append one event; see `append_all`."""
        [event] = self.append_all([said], lease)
        return event

    def append_all(self, several: Sequence[Payload], lease: Lease | None) -> list[Event]:
        """Append events, all or none, and apply them to the projections in one transaction.

        `lease` may be None for a kind that is not `leased`: a batch may arrive, and be refused
        when it is read, while another one trains.

        Raises:
            NeedsHuman: this is an older copy of the ledger, or another one.
            Retryable: the lease was taken over, the database stayed locked, or the event
                repeats one that another process was first to write.
            Superseded: a promotion whose parent is no longer champion (law 2).
        """
        unleased = [said.about.name for said in several if lease is None and said.about.leased]
        if unleased:
            raise ValueError(f"{unleased[0]} needs a lease")
        accepted = any(isinstance(said, LedgerAccepted) for said in several)
        texts = [
            (said.about.name, chain.payload_text(encode(said, self.actor))) for said in several
        ]
        events = []
        with self.writing() as connection:
            noted = read_note(self.path)
            if not accepted:
                _require_newest(connection, noted, self.place)
            if lease is not None:
                leases.check(connection, lease)
            for kind, text in texts:
                event = chain.extend(connection, self.clock().isoformat(), kind, text)
                apply(connection, read(event))
                events.append(event)
        if events and (noted is not None or events[0].seq == 1 or accepted):
            write_note(self.path, Head(events[-1].seq, events[-1].hash))
        return events

    def noted(self) -> Head | None:
        """Return the newest event by the note beside the ledger, if there is one."""
        return read_note(self.path)

    def head(self) -> Head:
        """Return the newest event; number 0 before the first one."""
        with self.reading() as connection:
            return newest(connection)

    def note_head(self) -> None:
        """Note the newest event where nothing is noted yet."""
        head = self.head()
        if self.noted() is None and head.seq:
            write_note(self.path, head)

    def difference(self) -> str | None:
        """Say how this ledger is older than, or other than, the one noted; None if it is not."""
        noted = self.noted()
        if noted is None:
            return None
        with self.reading() as connection:
            return difference(connection, noted, self.place)

    def require_newest(self) -> None:
        """Refuse to work with an older copy of the ledger, or with another one.

        Raises:
            NeedsHuman: names both positions and the two ways out.
        """
        with self.reading() as connection:
            _require_newest(connection, self.noted(), self.place)

    def query(self, statement: sa.Select[Any]) -> list[Any]:
        """Run one SELECT and return its rows."""
        with self.reading() as connection:
            return list(connection.execute(statement).all())

    def reading(self) -> AbstractContextManager[Connection]:
        """Open one read transaction: all that is read in it is of one instant."""
        return self._database.reading()

    def writing(self) -> AbstractContextManager[Connection]:
        """Open one write transaction, the only one from its start; an exception undoes it."""
        return self._database.writing()

    @contextmanager
    def lease(
        self, name: str, wait_seconds: float, on_wait: Callable[[str], None] | None = None
    ) -> Iterator[Lease]:
        """Hold the lease on `name`, renewed in the background until the block ends.

        A lease whose holder died on this machine, or whose time ran out, is taken over with
        the next token. `on_wait(holder)` is called once when somebody else holds it.

        Raises:
            Retryable: it was still held after `wait_seconds`.
        """
        lease, whole = self._acquire(name, wait_seconds, on_wait), False
        try:
            with leases.Renewal(lambda: self.renew(lease)):
                yield lease
            whole = True
        finally:
            with suppress(Retryable), self.writing() as connection:
                leases.give_back(connection, lease, whole)  # left alone, it runs out by itself

    def is_held(self, name: str) -> bool:
        """Tell whether somebody holds the lease on `name` now, as a worker does in a batch."""
        with self.reading() as connection:
            return leases.is_held(connection, name, self.clock())

    def renew(self, lease: Lease) -> None:
        """Push the lease's end out; a lease that was taken over stays with its new holder."""
        with self.writing() as connection:
            leases.renew(connection, lease, self.clock())

    def note_in_order(self, lease: Lease) -> None:
        """Note under the lease that nothing is left to put right (`Lease.in_order`)."""
        with self.writing() as connection:
            leases.note_in_order(connection, lease)

    def free_leases(self) -> None:
        """Let nobody hold a lease: this ledger is a copy of the one that they are held on."""
        with self.writing() as connection:
            leases.free_all(connection)

    def _acquire(
        self, name: str, wait_seconds: float, on_wait: Callable[[str], None] | None
    ) -> Lease:
        deadline, told = time.monotonic() + wait_seconds, False
        while True:
            with self.writing() as connection:
                taken = leases.take(connection, name, self.clock())
            if isinstance(taken, Lease):
                return taken
            if time.monotonic() >= deadline:
                raise Retryable(
                    f"Another process ({taken}) is changing `{name}`.",
                    "Wait until it finishes, then run the same command again.",
                )
            if on_wait is not None and not told:
                on_wait(taken)
                told = True
            time.sleep(POLL_SECONDS)


def _require_newest(connection: Connection, noted: Head | None, place: str) -> None:
    found = None if noted is None else difference(connection, noted, place)
    if found is not None:
        raise NeedsHuman(found, TWO_WAYS_OUT)
