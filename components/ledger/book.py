"""Appending to the ledger, and the lease that fences writers.

Concept: one `append` is one transaction: check the fencing token, chain the event to the
one before it, update the projections. SQLite runs it as BEGIN IMMEDIATE, so two processes
never chain to the same predecessor.

Promise: an event is either there with all its consequences or not there at all.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from components.clock import Clock
from components.digest import bytes_digest, canonical_json
from components.errors import Corrupted, Retryable
from components.ledger import schema
from components.ledger.projections import apply

GENESIS = "0" * 64
LEASE_SECONDS = 60.0
BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded event. `payload` is canonical JSON text, exactly as hashed."""

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


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change one model, as the holder of the newest fencing token."""

    name: str
    token: int


class Ledger:
    """The ledger of one root.

    Args:
        url: an SQLAlchemy URL, or the path of an SQLite file, which is made where missing.
        clock: tells the time that events carry.
    """

    def __init__(self, url: str | Path, clock: Clock) -> None:
        self.clock = clock
        self.place = str(url)
        self.engine = _engine(url)
        self._writer = self.engine.execution_options(write=True)
        with self.writing() as connection:
            schema.metadata.create_all(connection)

    def append(self, kind: str, payload: dict[str, Any], lease: Lease | None) -> Event:
        """Append one event and apply it to the projections, in one transaction.

        `lease` is None only for arrivals, which may come while another process trains.

        Raises:
            Retryable: the lease was taken over, or the database stayed locked.
            Superseded: a promotion whose parent is no longer champion (law 2).
        """
        with self.writing() as connection:
            if lease is not None:
                _check_token(connection, lease)
            last = connection.execute(
                sa.select(schema.events.c.seq, schema.events.c.hash)
                .order_by(schema.events.c.seq.desc())
                .limit(1)
            ).one_or_none()
            seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
            time, text = self.clock().isoformat(), canonical_json(payload)
            digest = event_hash(seq, time, kind, text, previous)
            event = Event(seq, time, kind, text, previous, digest)
            connection.execute(
                schema.events.insert().values(
                    seq=seq, time=time, kind=kind, payload=text, previous=previous, hash=digest
                )
            )
            apply(connection, seq, time, kind, payload)
        return event

    def query(self, statement: sa.Select[Any]) -> list[Any]:
        """Run one SELECT and return its rows."""
        with self._translated(), self.engine.connect() as connection:
            return list(connection.execute(statement).all())

    @contextmanager
    def lease(self, name: str, wait_seconds: float, on_wait: Any = None) -> Iterator[Lease]:
        """Hold the lease on `name`, renewed in the background until the block ends.

        A lease whose holder died on this machine, or whose time ran out, is taken over with
        the next token. `on_wait(holder)` is called once when somebody else holds it.

        Raises:
            Retryable: it was still held after `wait_seconds`.
        """
        lease = self._acquire(name, wait_seconds, on_wait)
        with _Renewal(self, lease):
            try:
                yield lease
            finally:
                self._release(lease)

    def _acquire(self, name: str, wait_seconds: float, on_wait: Any) -> Lease:
        waited, told = 0.0, False
        while True:
            with self.writing() as connection:
                row = _lease_row(connection, name)
                if row is None or row.expires < self.clock().isoformat() or _is_dead(row.holder):
                    return self._take(connection, name, 1 if row is None else row.token + 1)
            if waited >= wait_seconds:
                raise Retryable(
                    f"Another process ({row.holder}) is changing `{name}`.",
                    "Wait until it ends, then run the same command again.",
                )
            if on_wait is not None and not told:
                on_wait(row.holder)
                told = True
            threading.Event().wait(0.2)
            waited += 0.2

    def _take(self, connection: Connection, name: str, token: int) -> Lease:
        values = {"token": token, "holder": _myself(), "expires": self._expiry()}
        if token == 1:
            connection.execute(schema.leases.insert().values(name=name, **values))
        else:
            connection.execute(
                schema.leases.update().where(schema.leases.c.name == name).values(**values)
            )
        return Lease(name, token)

    def _expiry(self) -> str:
        return (self.clock() + timedelta(seconds=LEASE_SECONDS)).isoformat()

    def renew(self, lease: Lease) -> None:
        """Push the lease's end out; a lease that was taken over stays with its new holder."""
        self._update_lease(lease, expires=self._expiry())

    def _release(self, lease: Lease) -> None:
        self._update_lease(lease, expires="", holder="")

    def _update_lease(self, lease: Lease, **values: str) -> None:
        table = schema.leases
        with self.writing() as connection:
            connection.execute(
                table.update()
                .where(table.c.name == lease.name, table.c.token == lease.token)
                .values(**values)
            )

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open one immediate write transaction; an exception undoes all of it."""
        with self._translated(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            if "locked" in str(error.orig) or "busy" in str(error.orig):
                raise Retryable(
                    f"The ledger {self.place} stayed locked for {BUSY_SECONDS:.0f} s.",
                    "Find the process that holds it, then run the same command again.",
                ) from None
            raise Corrupted(
                f"The ledger {self.place} cannot be used: {error.orig}.",
                "Check the folder's rights and free space; restore the file from a backup.",
            ) from None
        except DatabaseError as error:
            raise Corrupted(
                f"The ledger {self.place} is damaged: {error.orig}.",
                "Restore it from a backup; the events are its only copy.",
            ) from None


class _Renewal:
    """Renews a lease from a thread of its own until left."""

    def __init__(self, ledger: Ledger, lease: Lease) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ledger, lease), daemon=True)

    def _run(self, ledger: Ledger, lease: Lease) -> None:
        while not self._stop.wait(LEASE_SECONDS / 4):
            try:
                ledger.renew(lease)
            except Retryable:
                continue  # a lost renewal is not a lost lease: the token decides

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()


def _engine(url: str | Path) -> Engine:
    if isinstance(url, Path):
        url.parent.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{url}"
    engine = sa.create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS} if url.startswith("sqlite") else {},
        poolclass=sa.NullPool,
    )
    if engine.dialect.name == "sqlite":
        # The driver would begin lazily and deferred: two appends could then read one tail.
        sa.event.listen(engine, "connect", lambda db, _: setattr(db, "isolation_level", None))
        sa.event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _lease_row(connection: Connection, name: str) -> Any:
    return connection.execute(
        sa.select(schema.leases).where(schema.leases.c.name == name)
    ).one_or_none()


def _check_token(connection: Connection, lease: Lease) -> None:
    row = _lease_row(connection, lease.name)
    if row is None or row.token != lease.token:
        raise Retryable(
            f"The lease on `{lease.name}` was taken over by {row.holder if row else 'nobody'}.",
            "Run the same command again; nothing was written under the old lease.",
        )


def _myself() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def _started(pid: int) -> str:
    """Return when a process began, in clock ticks, so that a reused pid is told apart."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def _is_dead(holder: str) -> bool:
    """Tell whether the holder is a process of this machine that no longer runs."""
    if not holder:
        return True
    host, pid, started = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(started) and _started(int(pid)) != started
