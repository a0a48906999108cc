"""Appending to the ledger, under a lease.

Concept: one `append` is one transaction: check the fencing token, chain the event to the
one before it, update the projections.

Promise: an event is either there with all its consequences or not there at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.clock import Clock
from components.errors import Retryable
from components.ledger import chain, leases
from components.ledger.chain import Event
from components.ledger.database import Database
from components.ledger.leases import Lease
from components.ledger.projections import apply

__all__ = ["Event", "Lease", "Ledger"]

UNLEASED = frozenset({"batch.arrived", "store.done"})
"""Kinds that may be appended without a lease: a batch may arrive, and be refused when it is
read, while another one trains.
"""

POLL_SECONDS = 0.2


class Ledger:
    """The ledger of one root.

    Args:
        path: the SQLite file; it is made where missing.
        clock: tells the time that events carry.

    Raises:
        ConfigError: a newer Ratchet wrote the file.
        Corrupted: the file is empty, or is no ledger.
        Retryable: the file can't be opened or made now.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.clock = clock
        self.place = str(path)
        self._database = Database(path)

    def append(self, kind: str, payload: dict[str, Any], lease: Lease | None) -> Event:
        """Append one event and apply it to the projections, in one transaction.

        `lease` is None for the kinds in `UNLEASED`, and for no other.

        Raises:
            Retryable: the lease was taken over, the database stayed locked, or the event
                repeats one that another process was first to write.
            Superseded: a promotion whose parent is no longer champion (law 2).
        """
        if lease is None and kind not in UNLEASED:
            raise ValueError(f"{kind} needs a lease")
        text = chain.payload_text(payload)
        with self.writing() as connection:
            if lease is not None:
                leases.check(connection, lease)
            event = chain.extend(connection, self.clock().isoformat(), kind, text)
            apply(connection, event.seq, event.time, kind, json.loads(text))
        return event

    def query(self, statement: sa.Select[Any]) -> list[Any]:
        """Run one SELECT and return its rows."""
        with self.reading() as connection:
            return list(connection.execute(statement).all())

    def reading(self) -> AbstractContextManager[Connection]:
        """Open one read transaction: all that is read in it is of one instant."""
        return self._database.reading()

    def writing(self) -> AbstractContextManager[Connection]:
        """Open one immediate write transaction; an exception undoes all of it."""
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

    def renew(self, lease: Lease) -> None:
        """Push the lease's end out; a lease that was taken over stays with its new holder."""
        with self.writing() as connection:
            leases.renew(connection, lease, self.clock())

    def settle(self, lease: Lease) -> None:
        """Note under the lease that nothing is left to put right (`Lease.settled`)."""
        with self.writing() as connection:
            leases.settle(connection, lease)

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
                    "Wait until it ends, then run the same command again.",
                )
            if on_wait is not None and not told:
                on_wait(taken)
                told = True
            time.sleep(POLL_SECONDS)
