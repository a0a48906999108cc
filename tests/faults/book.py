"""What the simulator handed over, written down by itself.

Concept: each row that it makes has a word of its own in its text, so a row is found again
wherever its bytes lie and in whatever form. Files that hold no such rows are known by the
SHA-256 of their bytes.
"""

from __future__ import annotations

import copy
import hashlib
import re
from dataclasses import dataclass, field

ROW = re.compile(r"\bu\d+x\d+x\d+\b")


def row_name(seed: int, number: int, index: int) -> str:
    """Return the word that only one row has."""
    return f"u{seed}x{number}x{index}"


def rows_in(text: str) -> list[str]:
    """Return the row words of a text, in order, each as often as it stands there."""
    return ROW.findall(text.lower())


@dataclass
class Book:
    """All that arrived: row words, and the digests of files without any.

    `arrived` maps a row word to the file it came in, `files` a digest to a file's name.
    """

    arrived: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, data: bytes, rows: list[str] | None = None) -> None:
        """Write down a file that arrived whole; `rows` where its bytes do not show them."""
        found = rows_in(data.decode("utf-8", "replace")) if rows is None else rows
        for row in found:
            self.arrived.setdefault(row, name)
        if not found:
            self.files.setdefault(hashlib.sha256(data).hexdigest(), name)

    def copy(self) -> Book:
        """Return the book as it stands, for the day when an old copy of the root comes back."""
        return copy.deepcopy(self)
