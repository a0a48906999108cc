"""What the frozen base computed, kept on disk: rows of numbers under content digests.

Concept: rows that were computed together lie in one immutable file, a block; an index
(SQLite) says in which block a row starts, how long it is, and a checksum over key and row.
Reading maps the block into memory. When the blocks outgrow their bound, those used longest ago
go.

Promise: a cache and nothing more. A row that was torn, damaged, exchanged or evicted is absent,
never wrong (whoever also writes a fitting checksum is `Frozen`'s concern); a damaged index starts
anew; a full disk or a lock means that less is kept. Several processes may use one folder at a
time.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..digest import bytes_digest
from ..files import PART_SUFFIX

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

LOCK_SECONDS = 10.0
ABANDONED_SECONDS = 3600.0
"""A file that no index names after this time was left behind by a killed process."""

_ASKED_AT_ONCE = 500
_FIND = "SELECT key, name, start, rows.bytes, sum FROM rows JOIN blocks ON blocks.id = block"
_LAYOUT = (
    "CREATE TABLE IF NOT EXISTS blocks (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL,"
    " bytes INTEGER NOT NULL, used INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, block INTEGER NOT NULL, start INTEGER"
    " NOT NULL, bytes INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS rows_of_block ON rows (block)",
    "CREATE INDEX IF NOT EXISTS blocks_by_use ON blocks (used)",
)

_SWEPT: set[Path] = set()
"""The folders that this process has swept: listing all files once is enough."""


@dataclass(frozen=True, slots=True)
class ActivationCache:
    """The cache in `folder`, at most `max_bytes` of blocks."""

    folder: Path
    max_bytes: int

    def get(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Return key -> bytes (uint8, read-only, mapped from disk) for the rows that are there."""
        return self._transaction(partial(self._read, keys=keys), {})

    def put(self, rows: Mapping[bytes, np.ndarray]) -> bool:
        """Keep rows (contiguous arrays) as one block; return whether they were kept."""
        size = sum(row.nbytes for row in rows.values())
        if not rows or size > self.max_bytes:
            return False
        name = bytes_digest(b"".join(rows))[:32]
        try:
            self._write(name, rows)
        except OSError:
            return False
        return self._transaction(partial(self._enter, name=name, size=size, rows=rows), False)

    def clear(self) -> None:
        """Drop all rows: they are not to be believed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def size(self) -> int:
        """Return the bytes of all blocks."""
        query = "SELECT coalesce(sum(bytes), 0) FROM blocks"
        return self._transaction(lambda index: int(index.execute(query).fetchone()[0]), 0)

    def _read(self, index: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        where = _lookup(index, keys)
        maps = {name: self._map(name) for name in sorted({name for name, *_ in where.values()})}
        now = _next_use(index)
        index.executemany("UPDATE blocks SET used = ? WHERE name = ?", [(now, n) for n in maps])
        found: dict[bytes, np.ndarray] = {}
        torn: set[str] = set()
        for key, (name, start, size, checksum) in where.items():
            row = maps[name][start : start + size]
            if row.size == size and _checksum(key, row) == checksum:
                found[key] = row
            else:
                torn.add(name)
        self._drop(index, torn)
        return found

    def _write(self, name: str, rows: Mapping[bytes, np.ndarray]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{name}.{os.getpid()}{PART_SUFFIX}"
        try:
            with part.open("wb") as file:
                for row in rows.values():
                    file.write(row.data)
            os.replace(part, self._block(name))
        finally:
            part.unlink(missing_ok=True)

    def _enter(
        self, index: sqlite3.Connection, name: str, size: int, rows: Mapping[bytes, np.ndarray]
    ) -> bool:
        index.execute(
            "INSERT OR REPLACE INTO blocks (name, bytes, used) VALUES (?, ?, ?)",
            (name, size, _next_use(index)),
        )
        block = index.execute("SELECT id FROM blocks WHERE name = ?", (name,)).fetchone()[0]
        start, entries = 0, []
        for key, row in rows.items():
            entries.append((key, block, start, row.nbytes, _checksum(key, row)))
            start += row.nbytes
        index.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?)", entries)
        self._evict(index)
        return True

    def _evict(self, index: sqlite3.Connection) -> None:
        """Drop the blocks that were used longest ago, down to the bound."""
        excess = index.execute("SELECT sum(bytes) FROM blocks").fetchone()[0] - self.max_bytes
        gone = set()
        for name, size in index.execute("SELECT name, bytes FROM blocks ORDER BY used"):
            if excess <= 0:
                break
            gone.add(name)
            excess -= size
        self._drop(index, gone)
        if self.folder not in _SWEPT:
            _SWEPT.add(self.folder)
            self._sweep({name for (name,) in index.execute("SELECT name FROM blocks")})

    def _drop(self, index: sqlite3.Connection, names: set[str]) -> None:
        for name in names:
            index.execute(
                "DELETE FROM rows WHERE block = (SELECT id FROM blocks WHERE name = ?)", (name,)
            )
            index.execute("DELETE FROM blocks WHERE name = ?", (name,))
            with suppress(OSError):  # a mapped file of another process, on Windows
                self._block(name).unlink(missing_ok=True)

    def _sweep(self, named: set[str]) -> None:
        """Remove files that no index names, once they are too old to be in the making."""
        oldest = time.time() - ABANDONED_SECONDS
        for path in self.folder.iterdir():
            if path.name.startswith("index.") or path.stem in named:
                continue
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _map(self, name: str) -> np.ndarray:
        import numpy as np

        try:
            with self._block(name).open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return np.frombuffer(mapped, np.uint8)
        except (OSError, ValueError):  # gone, or cut to nothing
            return np.empty(0, np.uint8)

    def _block(self, name: str) -> Path:
        return self.folder / f"{name}.block"

    def _transaction(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Return what `work` returns; `otherwise` where the index is locked or has to go."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.folder / "index.db", timeout=LOCK_SECONDS)) as index:
                index.execute("PRAGMA synchronous = OFF")  # what a power cut spoils is dropped
                with index:
                    index.execute("BEGIN IMMEDIATE")
                    for statement in _LAYOUT:
                        index.execute(statement)
                    return work(index)
        except (sqlite3.OperationalError, OSError):
            return otherwise  # locked, or the disk is full: do without
        except sqlite3.DatabaseError:
            self.clear()
            return otherwise


def _checksum(key: bytes, row: np.ndarray) -> int:
    """Return what holds a row to its key: BLAKE2b over both, 8 bytes as a signed number."""
    digest = hashlib.blake2b(row.data, digest_size=8, key=key[:64]).digest()
    return int.from_bytes(digest, "little", signed=True)


def _next_use(index: sqlite3.Connection) -> int:
    """Return the next number of the clock that says which block was used when."""
    return int(index.execute("SELECT coalesce(max(used), 0) + 1 FROM blocks").fetchone()[0])


def _lookup(
    index: sqlite3.Connection, keys: Sequence[bytes]
) -> dict[bytes, tuple[str, int, int, int]]:
    """Return key -> (block's name, start, bytes, checksum) for the keys that are there."""
    found: dict[bytes, tuple[str, int, int, int]] = {}
    for start in range(0, len(keys), _ASKED_AT_ONCE):
        asked = keys[start : start + _ASKED_AT_ONCE]
        places = ", ".join("?" * len(asked))
        query = _FIND + f" WHERE key IN ({places})"
        found |= {key: place for key, *place in index.execute(query, asked)}
    return found
