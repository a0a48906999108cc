"""Faults that strike a command from inside, at a counted point.

Concept: CPython announces each file that is opened, renamed, made or removed (its audit
events), and SQLAlchemy each commit. Those that touch the root are counted, whatever function
of the product they come from; at the n-th one the fault strikes. So a point is found again by
its number, and the simulator needs to know nothing of the code under it.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MAX_NAME = 160


@dataclass(frozen=True, slots=True)
class Fault:
    """What is to happen to a command.

    kind: `none`, `kill`, `terminate`, `full` (no space from a point on), `limit` (no file may
        grow beyond `size` bytes), `unwritable` or `unreadable` (one I/O error), `clock` (it is
        `seconds` later or earlier than it was) or `grow` (somebody writes `lines` into the
        incoming file that is being taken).
    at: the point that it strikes at, counted from 1; 0 where it needs none.
    seconds: for `kill` and `terminate` without a point, when the signal is sent.
    """

    kind: str = "none"
    at: int = 0
    seconds: float = 0.0
    size: int = 0
    lines: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fault without what it does not use."""
        return {name: value for name, value in asdict(self).items() if value}


class Meter:
    """How far a command has come, in memory that its parent sees after it was killed."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 4096)

    def count(self) -> int:
        """Count one more point and return its number."""
        number = self.points + 1
        self._shared[:8] = struct.pack("q", number)
        return number

    def strike(self, where: str) -> None:
        """Note that the fault strikes now, and where."""
        name = where.encode("utf-8", "backslashreplace")[:MAX_NAME]
        self._shared[8 : 10 + len(name)] = struct.pack("h", len(name)) + name

    @property
    def points(self) -> int:
        """How many points were passed."""
        return int(struct.unpack("q", self._shared[:8])[0])

    @property
    def struck(self) -> str:
        """Where the fault struck; empty where it did not."""
        (length,) = struct.unpack("h", self._shared[8:10])
        return self._shared[10 : 10 + length].decode("utf-8", "replace")


def arm(root: Path, fault: Fault, meter: Meter) -> None:
    """Let the fault happen in this process, which is a command's own and ends with it."""
    if fault.kind == "clock":
        _jump(fault.seconds)
        meter.strike("start")
    elif fault.kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.size, fault.size))
    watch = _Watch(str(root.resolve()), fault, meter)
    sys.addaudithook(watch.see)
    _at_commits(watch)


class _Watch:
    """Counts the points and strikes; the hook of one process."""

    def __init__(self, root: str, fault: Fault, meter: Meter) -> None:
        self._root, self._fault, self._meter = root, fault, meter
        self._incoming = f"{root}/data/incoming/"
        self._taken = ""
        self._since_taken = 0
        self._busy = self._full = False

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        """Look at one audit event."""
        if self._busy or (event != "open" and event not in CHANGES):
            return
        path = _text(args[0])
        if not path.startswith(self._root):
            return
        writes = event != "open" or bool((args[2] or 0) & WRITING)
        self._busy = True
        try:
            self._point(event, path, writes)
        finally:
            self._busy = False

    def _point(self, event: str, path: str, writes: bool) -> None:
        fault = self._fault
        if fault.kind == "grow":  # it strikes by its own count, from the first look at the file
            self._grow(event, path)
            self._meter.count()
            return
        if self._full and writes and event in ("open", "os.mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        if writes != (fault.kind == "unreadable") and self.due():
            self._meter.strike(f"{event} {path.removeprefix(self._root + '/')}")
            self._strike(path)

    def due(self) -> bool:
        """Count a point; tell whether the fault strikes at it."""
        return self._meter.count() == self._fault.at

    def _strike(self, path: str) -> None:
        kind = self._fault.kind
        if kind in SIGNALS:
            os.kill(os.getpid(), SIGNALS[kind])
        elif kind == "full":
            self._full = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        elif kind in ("unwritable", "unreadable"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    def commit(self) -> None:
        """Look at a database that is about to make a transaction last."""
        if self._fault.kind in SIGNALS and self.due():
            self._meter.strike("commit")
            self._strike("")

    def _grow(self, event: str, path: str) -> None:
        """Let the file grow some points after it was first looked at.

        Not between a last look and the unlink itself: no program that unlinks can see that.
        """
        if event == "open" and path.startswith(self._incoming) and not self._taken:
            self._taken = path
        if not self._taken or self._meter.struck:
            return
        self._since_taken += 1
        leaves = event in ("os.remove", "os.rename") and path == self._taken
        if self._since_taken >= self._fault.at and not leaves and os.path.exists(self._taken):
            with open(self._taken, "a", encoding="utf-8") as file:
                file.write(self._fault.lines)
            self._meter.strike(f"{event} {path.removeprefix(self._root + '/')}")


SIGNALS = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM}


def _at_commits(watch: _Watch) -> None:
    import sqlalchemy as sa
    from sqlalchemy.engine import Engine

    sa.event.listen(Engine, "commit", lambda _connection: watch.commit())


def _jump(seconds: float) -> None:
    """Set the clock of this process: what Ratchet asks, and what libraries ask."""
    from components import clock

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    before: Callable[[], float] = time.time
    clock.datetime = Jumped  # type: ignore[misc]
    time.time = lambda: before() + seconds


def _text(path: Any) -> str:
    """Return an absolute path; empty for an open descriptor."""
    if isinstance(path, int) or path is None:
        return ""
    return os.path.abspath(os.fsdecode(path))
