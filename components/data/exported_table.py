"""Tables that Ratchet writes for people to correct, and how their cells come back unchanged.

Concept: a cell that a spreadsheet might take for a formula begins with an apostrophe, and the
column `ratchet_id` says that the table was written so. `formats` reads such a table without these
apostrophes, and without the columns that tell people something: theirs begin with `ratchet_` too.

Promise: whatever a cell holds, line ends, quotes and apostrophes included, `plain_cell` gives back
what `safe_cell` was given. A table without the column is read as it stands.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.errors import ConfigError
from components.files import write_bytes

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What begins a formula in some spreadsheet, or is dropped before one."""

TOLD = "ratchet_"
"""How the columns begin that tell people something, and are not read again."""

ID = f"{TOLD}id"
"""The column that says what each row is; it marks a table as written here."""

_RISKY = re.compile(r"'*[=+\-@\t\r]")
_MARKED = re.compile(r"'+[=+\-@\t\r]")


def safe_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _RISKY.match(text) else text


def plain_cell(cell: str) -> str:
    """Return what a cell held before `safe_cell`; a spreadsheet may have dropped its mark."""
    return cell[1:] if _MARKED.match(cell) else cell


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a new CSV file that spreadsheets read as UTF-8, and that reads back as it was.

    Raises:
        ConfigError: the file exists already, or does not end in .csv.
    """
    require_new(path, (".csv",))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows(map(safe_cell, row) for row in (columns, *rows))
    mark = "\ufeff"  # without it Excel does not read UTF-8
    write_bytes(path, (mark + text.getvalue()).encode("utf-8", "backslashreplace"))


def require_new(path: Path, endings: Sequence[str]) -> None:
    """Refuse a file that is there already: it may hold corrections.

    Raises:
        ConfigError: it exists, or does not end as it must.
    """
    if path.suffix.lower() not in endings:
        raise ConfigError(
            f"{path} does not end in {' or '.join(endings)}.",
            "Choose such a name: it says which format is written.",
        )
    if path.exists():
        raise ConfigError(f"{path} exists, and may hold corrections.", "Choose another name.")
