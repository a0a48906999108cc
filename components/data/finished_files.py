"""Whether a file is finished: nobody has it open for writing, and it has been quiet for a while.

Concept: the kernel knows who has a file open for writing (Linux: a read lease is refused
meanwhile). A writer that opens, appends and closes is seen by time only: a file counts once
it has stayed as it is for some seconds. Its own times say so at the first look; a file that
changed between two looks, or whose times lie in the future, has to be quiet by a clock that
nobody can set.

Promise: a look changes nothing and opens regular files only. Where the kernel gives no leases
(another system, a network disk, somebody else's file), the quiet time decides alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Signature:
    """What changes when a file's bytes do; times in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """Return the signature of what `stat` said."""
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )

    def same_bytes(self, other: Signature) -> bool:
        """Tell whether it is the same file, unwritten since; a rename does not count."""
        return self._written() == other._written()

    def _written(self) -> tuple[int, int, int, int]:
        return self.device, self.inode, self.size, self.modified


def is_open_for_writing(path: Path) -> bool:
    """Tell whether any process has the file open for writing, as far as the kernel says it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False  # it can't be read at all: whoever takes it is told why
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and _lease_is_refused(descriptor)
    finally:
        os.close(descriptor)


def _lease_is_refused(descriptor: int) -> bool:
    """Ask for a read lease and give it back at once."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        # A writer that comes just now breaks the lease: by SIGIO, which would end this
        # process, unless another signal is named. SIGURG is ignored where nobody wants it.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


@dataclass(slots=True)
class QuietFiles:
    """What was seen of waiting files, from look to look.

    `seconds`: how long a file must be quiet. `wall` is the clock of file times, `steady` one
    that never jumps, both in seconds.
    """

    seconds: float
    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    _quiet_since: dict[Path, tuple[Signature, float]] = field(default_factory=dict)

    def seconds_left(self, path: Path) -> float | None:
        """Return how long the file must still be quiet; 0.0 is quiet enough, None is being written.

        Raises:
            FileNotFoundError: it has gone.
        """
        signature, now = Signature.of(path.lstat()), self.steady()
        if is_open_for_writing(path):
            self._quiet_since[path] = signature, now
            return None
        before = self._quiet_since.get(path)
        if before is None:
            age = self.wall() - max(signature.modified, signature.changed) / 1e9
            before = signature, now - age if age > 0 else now
        elif before[0] != signature:
            before = signature, now
        self._quiet_since[path] = before
        return max(0.0, before[1] + self.seconds - now)

    def remember(self, paths: Iterable[Path]) -> None:
        """Forget what was seen of any other file."""
        kept = set(paths)
        self._quiet_since = {path: at for path, at in self._quiet_since.items() if path in kept}
