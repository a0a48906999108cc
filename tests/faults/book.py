"""What the simulator handed over, written down by itself.

Concept: each row that it makes has a word of its own in its text, so a row is found again
wherever its bytes lie and in whatever form; a note in another column has one as well. Files
that hold no such rows are known by the SHA-256 of their bytes.
"""

from __future__ import annotations

import copy
import hashlib
import re
from dataclasses import dataclass, field

ROW, NOTE = re.compile(r"\bu\d+x\d+x\d+\b"), re.compile(r"\bn\d+x\d+x\d+\b")


def row_name(seed: int, number: int, index: int) -> str:
    """Return the word that only one row has."""
    return f"u{seed}x{number}x{index}"


def note_name(seed: int, number: int, index: int) -> str:
    """Return the word that only one note has: a value beside a row's text and label."""
    return f"n{seed}x{number}x{index}"


def notes_in(text: str) -> list[str]:
    """Return the note words of a text."""
    return NOTE.findall(text.lower())


def rows_in(text: str) -> list[str]:
    """Return the row words of a text, in order, each as often as it stands there."""
    return ROW.findall(text.lower())


@dataclass
class Book:
    """All that arrived: words of rows and notes, and the digests of files without rows.

    `arrived` maps a word to the file it came in, `files` a digest to a file's name.
    """

    arrived: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, data: bytes, rows: list[str] | None = None) -> None:
        """Write down a file that arrived whole; `rows` where its bytes do not show them."""
        text = data.decode("utf-8", "replace")
        found = rows_in(text) if rows is None else rows
        for word in [*found, *notes_in(text)]:
            self.arrived.setdefault(word, name)
        if not found:
            self.files.setdefault(hashlib.sha256(data).hexdigest(), name)

    def copy(self) -> Book:
        """Return the book as it stands, for the day when an old copy of the root comes back."""
        return copy.deepcopy(self)
