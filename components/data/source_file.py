"""What every file format shares: the file with its limits, a record, and how a file is refused.

Concept: a format is a generator from a `Source` to records; a record is one row's values
beside `Fields`, the same row in the bytes that it came in, or `Unreadable` where one line is
no row. What makes a whole file unusable raises.

Promise: a row that is kept costs the bytes of its line, however many values it parses into.
"""

from __future__ import annotations

import csv
import json
import shlex
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.data.exported_table import TOLD, plain_cell
from components.errors import DataRejected

MAX_NESTING = 32
MAX_COLUMNS = 10_000
"""Column names of one file. A wide table has hundreds; one of more is no table of texts."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, with its limits.

    `name` is what people know it by; `line_bytes` bounds one row and one cell, `file_bytes` the
    whole file, as stored and as decoded, `rows` how many it may hold; `columns`: those that a
    batch must have, each by any of several names.
    """

    path: Path
    name: str
    line_bytes: int
    file_bytes: int
    rows: int
    columns: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One line that is no row: why, and its text."""

    reason: str
    raw: str


class Fields(Mapping[str, Any]):
    """A row's columns, parsed when they are asked for.

    Parsed values take up to 30 times the bytes of their line (an empty list is 2 bytes of
    JSON and 64 of memory), so what is kept is the line. Few rows are looked at twice: the
    rejected ones, and those of a contract with slices.
    """

    __slots__ = ("_line",)

    def __init__(self, line: bytes) -> None:
        self._line = line

    def parsed(self) -> dict[str, Any]:
        """Return the columns as a new dictionary."""
        raise NotImplementedError

    def __getitem__(self, name: str) -> Any:
        return self.parsed()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parsed())

    def __len__(self) -> int:
        return len(self.parsed())

    def __eq__(self, other: object) -> bool:
        return self.parsed() == (other.parsed() if isinstance(other, Fields) else other)

    __hash__ = None  # type: ignore[assignment]  # as of any mapping

    def __repr__(self) -> str:
        return repr(self.parsed())


class ObjectFields(Fields):
    """A row that is one JSON object."""

    __slots__ = ()

    def parsed(self) -> dict[str, Any]:
        """Return the columns as a new dictionary."""
        value: dict[str, Any] = json.loads(self._line)
        return value


class NamedFields(Fields):
    """A row that is one value for each of `names`."""

    __slots__ = ("_names",)

    def __init__(self, line: bytes, names: list[str]) -> None:
        super().__init__(line)
        self._names = names


class ArrayFields(NamedFields):
    """A row that is a JSON array."""

    __slots__ = ()

    def parsed(self) -> dict[str, Any]:
        """Return the columns as a new dictionary."""
        return dict(zip(self._names, json.loads(self._line), strict=True))


class CsvFields(NamedFields):
    """A row of cells with `mark` between them; an empty cell is None."""

    __slots__ = ("_mark",)

    def __init__(self, line: bytes, names: list[str], mark: str) -> None:
        super().__init__(line, names)
        self._mark = mark

    def parsed(self) -> dict[str, Any]:
        """Return the columns as a new dictionary."""
        [cells] = csv.reader([self._line.decode()], strict=True, delimiter=self._mark)
        return self.named(self._names, cells)

    @staticmethod
    def named(names: list[str], cells: list[str]) -> dict[str, Any]:
        """Return the cells by the names of their columns."""
        return {name: cell or None for name, cell in zip(names, cells, strict=True)}


class ExportedFields(CsvFields):
    """A row of a table that Ratchet wrote for people to correct: see `exported_table`."""

    __slots__ = ()

    @staticmethod
    def named(names: list[str], cells: list[str]) -> dict[str, Any]:
        """Return the cells without their marks, those alone that are read again."""
        pairs = zip(map(plain_cell, names), map(plain_cell, cells), strict=True)
        return {name: cell or None for name, cell in pairs if not name.startswith(TOLD)}


def parsed(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's columns as a dictionary, parsed once: asked one by one, each parses anew."""
    return raw.parsed() if isinstance(raw, Fields) else dict(raw)


Values = dict[str, Any]
Record = tuple[int, Values, Fields] | tuple[int, Unreadable, None]
Records = Generator[Record, None, None]
Format = Callable[[Source], Records]


def refuse_columns(source: Source, names: list[str]) -> None:
    """Raise DataRejected where there are too many columns, or a name stands twice."""
    if len(names) > MAX_COLUMNS:
        raise too_many_columns(source)
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise DataRejected(
            f"{source.name} has these columns twice: {shown(repeated)}.",
            "Give every column its own name.",
        )


def shown(names: list[str]) -> str:
    """Return names for a message: quoted, escaped, at most twelve, each cut at 60."""
    quoted = [repr(name if len(name) <= 60 else name[:60] + "…") for name in names[:12]]
    return ", ".join(quoted) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def jq(program: str, source: Source) -> str:
    """Return the command that writes a JSON file as the JSON Lines that `program` makes of it."""
    return f"jq -c {shlex.quote(program)} {shlex.quote(source.name)} > NEW.jsonl"


def one_line(error: Exception) -> str:
    """Return an error's text for a message: one line, at most 300 characters, no full stop."""
    words = " ".join(str(error)[:1000].split()) or type(error).__name__
    return (words if len(words) <= 300 else words[:300] + "…").rstrip(".")


def too_many_columns(source: Source) -> DataRejected:
    """Return the refusal of a file with more than `MAX_COLUMNS` column names."""
    return DataRejected(
        f"{source.name} has more than {MAX_COLUMNS:,} columns.",
        "Send only the needed columns: text, label, task and those in data.slice_columns.",
    )


def too_long(source: Source, what: str) -> DataRejected:
    """Return the refusal of a file with a line, row or cell above `line_bytes`."""
    return DataRejected(
        f"{source.name}, {what} is longer than {source.line_bytes:,} bytes.",
        "Split the file into lines (in CSV, close every quote), or raise data.max_line_bytes.",
    )


def too_large(source: Source, how: str) -> DataRejected:
    """Return the refusal of a file above `file_bytes`; `how` says by what measure."""
    return DataRejected(
        f"{source.name} is larger than {source.file_bytes // 1_000_000:,} MB {how}.",
        "Send it as several batches, or raise data.max_file_megabytes in params.yaml.",
    )


def too_many_rows(source: Source, how: str) -> DataRejected:
    """Return the refusal of a file with more than `rows`; `how` says by what measure."""
    return DataRejected(
        f"{source.name} has more than {source.rows:,} rows ({how}).",
        "Send it as several batches, or raise data.max_rows in params.yaml.",
    )


def not_utf8(source: Source, place: str, byte: int, position: int) -> DataRejected:
    """Return the refusal of text in another encoding; `position` counts from 1."""
    letter = bytes([byte]).decode("cp1252", "replace")
    windows = f" ({letter!r} in Windows-1252)" if letter.isalpha() else ""
    return DataRejected(
        f"{source.name}, {place} is not UTF-8: byte 0x{byte:02x} at position {position}{windows}.",
        "Save it as UTF-8 (in Excel: CSV UTF-8), or convert it: "
        "`iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW`.",
    )
