"""The lease that fences writers: one holder per model, each with a higher token than the last.

Concept: the token decides; the time only says when a lease can be taken over. A holder that
stalled and was overtaken notices it at its next append, in the append's own transaction.

Promise: if the holder died on this machine, the lease is free at once; on another machine, when
it expires.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.errors import RatchetError, Retryable
from components.ledger import schema

LEASE_SECONDS = 60.0
RENEWALS = 4
"""How often a lease is renewed before it would run out."""

_TABLE = schema.leases


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change one model, as the holder of the newest fencing token.

    `in_order`: the previous holder released it with nothing left to repair.
    """

    name: str
    token: int
    in_order: bool = field(default=False, compare=False)


def take(connection: Connection, name: str, now: datetime) -> Lease | str:
    """Take the lease where it is free, with the next token; else return who holds it."""
    row = _row(connection, name)
    if row is not None and _lives(row, now):
        return str(row.holder)
    in_order = row is not None and bool(row.in_order) and not row.holder
    values = {"holder": myself(), "expires": _expiry(now), "in_order": int(in_order)}
    if row is None:
        connection.execute(_TABLE.insert().values(name=name, token=1, **values))
        return Lease(name, 1)
    lease = Lease(name, row.token + 1, in_order)
    connection.execute(_TABLE.update().filter_by(name=name).values(token=lease.token, **values))
    return lease


def is_held(connection: Connection, name: str, now: datetime) -> bool:
    """Tell whether somebody who lives holds a lease."""
    row = _row(connection, name)
    return row is not None and _lives(row, now)


def check(connection: Connection, lease: Lease) -> None:
    """Let pass only who holds the newest token.

    Raises:
        Retryable: the lease was taken over or given back.
    """
    row = _row(connection, lease.name)
    if row is None or row.token != lease.token or not row.holder:
        raise Retryable(
            f"This process no longer has the lease on `{lease.name}`: "
            f"{(row.holder if row else '') or 'nobody'} holds it.",
            "Run the same command again; nothing was written under the old lease.",
        )


def renew(connection: Connection, lease: Lease, now: datetime) -> None:
    """Push the lease's end out; a lease that was taken over stays with its new holder."""
    _update(connection, lease, expires=_expiry(now))


def note_in_order(connection: Connection, lease: Lease) -> None:
    """Note that everything is in order now; a holder that dies makes the note void."""
    _update(connection, lease, in_order=1)


def give_back(connection: Connection, lease: Lease, whole: bool) -> None:
    """Free the lease; one that was taken over stays with its new holder.

    `whole` is False where work broke off, so that the next holder puts things right.
    """
    left: dict[str, Any] = {} if whole else {"in_order": 0}
    _update(connection, lease, holder="", expires="", **left)


def free_all(connection: Connection) -> None:
    """Let nobody hold a lease, and the next holder put things right."""
    connection.execute(_TABLE.update().values(holder="", expires="", in_order=0))


def _update(connection: Connection, lease: Lease, **values: Any) -> None:
    mine = _TABLE.update().filter_by(name=lease.name, token=lease.token)
    connection.execute(mine.values(**values))


def _row(connection: Connection, name: str) -> Any:
    return connection.execute(sa.select(_TABLE).filter_by(name=name)).one_or_none()


def _lives(row: Any, now: datetime) -> bool:
    """Tell whether a lease has a holder that lives, and whose time has not run out."""
    return bool(row.holder) and not _ran_out(row.expires, now) and not is_dead(row.holder)


def _expiry(now: datetime) -> str:
    return (now + timedelta(seconds=LEASE_SECONDS)).isoformat()


def _ran_out(expires: str, now: datetime) -> bool:
    return datetime.fromisoformat(expires) < now


class Renewal:
    """Calls `renewed` from a thread of its own, a few times a lease, until left."""

    def __init__(self, renewed: Callable[[], None]) -> None:
        self._renewed = renewed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(LEASE_SECONDS / RENEWALS):
            try:
                self._renewed()
            except RatchetError:
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


def myself() -> str:
    """Return the name under which this process holds leases: host, pid and when it began."""
    return f"{socket.gethostname()}:{os.getpid()}:{_began(os.getpid())}"


def is_dead(holder: str) -> bool:
    """Tell whether a holder is a process of this machine that no longer runs."""
    host, _, rest = holder.partition(":")
    pid, _, began = rest.partition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass  # it runs, as another user
    return bool(began) and _began(int(pid)) not in (began, "")


def _began(pid: int) -> str:
    """Return when a process began, in clock ticks since boot, so that a reused pid is told apart.

    "ended" for a zombie, which still has its pid; "" where the system does not say.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return "ended" if fields[0] in "ZX" else fields[19]
