"""Which rows and which bytes lie where in a root, read without any of Ratchet's code.

Promise: nothing here imports `components` or MLflow. A file that was read before is read
again only when its size, times or place on the disk changed.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.book import notes_in, rows_in

KEPT = ("batches", "quarantine", "unknown", "unreadable", "damaged")
PLACES = ("data/incoming", *(f"data/{name}" for name in KEPT))
MADE_BY_RATCHET = ("items.jsonl", "rows.jsonl", "about.json", "released.jsonl")
"""Beside a batch's own bytes; these show rows, but are no file that arrived."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it lies: SHA-256, MD5, row words, each as often as it stands, and note words."""

    sha256: str
    md5: str
    rows: tuple[str, ...]
    notes: tuple[str, ...]


class Kept:
    """The files of one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: dict[Path, tuple[tuple[int, ...], Found]] = {}
        self._parsed: dict[str, dict[str, str]] = {}

    def look(self, path: Path) -> Found:
        """Return what a file holds."""
        at = path.stat()
        mark = (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
        before = self._seen.get(path)
        if before is None or before[0] != mark:
            data = path.read_bytes()
            digests = hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()
            notes = tuple(notes_in(data.decode("utf-8", "replace")))
            self._seen[path] = mark, Found(*digests, tuple(_rows(path, data)), notes)
        return self._seen[path][1]

    def parsed(self, path: Path, parse: Callable[[bytes], dict[str, str]]) -> dict[str, str]:
        """Return what `parse` makes of a file's bytes, asked once for the same bytes."""
        digest = self.look(path).sha256
        if digest not in self._parsed:
            self._parsed[digest] = parse(path.read_bytes())
        return self._parsed[digest]

    def words(self) -> set[str]:
        """Return every word of a row or a note in one of the places where data may lie."""
        looked = (self.look(path) for path in self._files())
        return {word for found in looked for word in (*found.rows, *found.notes)}

    def digests(self) -> set[str]:
        """Return the SHA-256 of every file there that is not of Ratchet's own making."""
        return {
            self.look(path).sha256 for path in self._files() if path.name not in MADE_BY_RATCHET
        }

    def batch_folder(self, batch: str) -> Path:
        """Return the folder of a batch, in either of the layouts there were."""
        batches = self.root / "data" / "batches"
        flat = batches / batch
        return flat if flat.exists() else batches / batch[:2] / batch

    def counted(self, path: Path) -> Counter[str]:
        """Return how often each row word stands in a file; nothing where there is none."""
        return Counter(self.look(path).rows if path.is_file() else ())

    def _files(self) -> Iterator[Path]:
        for place in PLACES:
            for path in sorted((self.root / place).rglob("*")):
                if _is_plain(path):
                    yield path


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # a link to nowhere


def _rows(path: Path, data: bytes) -> list[str]:
    if data.startswith(b"PAR1"):
        return _parquet_rows(path)
    text = data.decode("utf-8", "replace")
    if path.name == "rows.jsonl":  # a row's values lie in `raw`; reasons may quote them
        return [row for line in text.splitlines() for row in rows_in(str(_raw(line)))]
    return rows_in(text)


def _raw(line: str) -> Any:
    try:
        return json.loads(line)["raw"]
    except (ValueError, LookupError, TypeError):
        return line


def _parquet_rows(path: Path) -> list[str]:
    import pyarrow
    import pyarrow.parquet

    try:
        column = pyarrow.parquet.read_table(path, columns=["text"]).column("text")
    except (pyarrow.ArrowException, OSError, KeyError):
        return []
    return [row for value in column.to_pylist() for row in rows_in(str(value))]
