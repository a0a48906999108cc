"""Programs that take their time to write a file into data/incoming.

Concept: each is a process of its own that goes on while commands run. The whole of what it
writes is known beforehand, and counts as arrived once it has ended.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

PAUSE_SECONDS = 0.15
"""Less than `data.settle_seconds` of the simulated root, even on a busy machine."""

WAYS = ("handle", "append", "aside")


class Writer:
    """A process that writes `data` to `path` in pieces.

    way: `handle` keeps the file open and writes pieces of any length; `append` opens it for
    each few lines; `aside` writes beside it and renames at the end.
    """

    def __init__(self, path: Path, data: bytes, way: str, rng: random.Random) -> None:
        self.name, self.data = path.name, data
        pauses = [rng.uniform(0, PAUSE_SECONDS) for _ in range(rng.randint(3, 10))]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._pid: int | None = os.fork()
        if self._pid == 0:
            try:
                _write(path, _pieces(data, len(pauses), way), pauses, way)
            finally:
                os._exit(0)

    def has_ended(self, wait: bool) -> bool:
        """Tell whether it is through; wait until it is, if asked."""
        if self._pid is not None:
            pid, _ = os.waitpid(self._pid, 0 if wait else os.WNOHANG)
            self._pid = None if pid else self._pid
        return self._pid is None


def _pieces(data: bytes, count: int, way: str) -> list[bytes]:
    """Cut data into pieces: anywhere for an open file, between lines for one that is reopened."""
    units = data.splitlines(keepends=True) if way == "append" else [bytes([b]) for b in data]
    size = -(-len(units) // count)
    return [b"".join(units[i : i + size]) for i in range(0, len(units), size)]


def _write(path: Path, pieces: list[bytes], pauses: list[float], way: str) -> None:
    if way == "append":
        for piece, pause in zip(pieces, pauses, strict=False):
            with path.open("ab") as file:
                file.write(piece)
            time.sleep(pause)
        return
    target = path if way == "handle" else path.with_name(path.name + ".part")
    with target.open("wb", buffering=0) as file:
        for piece, pause in zip(pieces, pauses, strict=False):
            file.write(piece)
            time.sleep(pause)
    if way == "aside":
        target.rename(path)
