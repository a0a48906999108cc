"""Reading a batch: from a file to numbered rows, each with its identity.

Concept: `read_batch` returns every row as it stands, with its line number, beside the lines
that are no rows at all. Whether a row is any good is for `validation` to say.

Promise: the batch digest depends on what the rows say, never on their order, on the file's
name or on its format. A file that cannot be read raises one `DataRejected` that names the
file, the line and the remedy.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.formats import FORMATS, Unreadable, shown
from components.digest import batch_digest, item_digest, json_digest
from components.errors import DataRejected

if TYPE_CHECKING:
    from components.settings import DataSettings

# First bytes of what people send by mistake; none of them begins a JSONL or CSV file.
BINARY = {
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"PK\x03\x04": "a zip archive (perhaps a spreadsheet)",
    b"\x1f\x8b": "gzip-compressed",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\x00": "an SQLite database",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"\xff\xfe": "UTF-16 text, not UTF-8",
    b"\xfe\xff": "UTF-16 text, not UTF-8",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read. `place` counts lines (Parquet: rows) from 1; None is missing."""

    place: int
    digest: str
    text: Any
    label: Any
    task: str
    raw: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One line that is no row (bad JSON, a ragged CSV row), with its text."""

    place: int
    digest: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A batch as read; `digest` is its identity, over rows and problems alike."""

    digest: str
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    columns: tuple[str, ...]


def read_batch(path: Path, contract: DataSettings, default_task: str) -> Reading:
    """Read a batch from a .jsonl, .ndjson, .csv or .parquet file.

    A row's task is its task column where that is a non-blank string, else `default_task`.

    Raises:
        DataRejected: no such file, no regular file, of an unknown format, empty, not UTF-8,
            a line above `max_line_bytes`, more than `max_rows` rows, or no row has the
            text or the label column.
    """
    _refuse_what_is_no_file(path)
    _refuse_other_formats(path)
    rows: list[Row] = []
    problems: list[Problem] = []
    for place, record in FORMATS[path.suffix.lower()](path, contract.max_line_bytes):
        if len(rows) + len(problems) == contract.max_rows:
            raise DataRejected(
                f"{path} holds more than {contract.max_rows:,} rows (line {place}).",
                "Send it as several batches, or raise data.max_rows in params.yaml.",
            )
        if isinstance(record, Unreadable):
            digest = json_digest({"unreadable": record.raw})
            problems.append(Problem(place, digest, record.reason, record.raw))
        else:
            rows.append(_row(place, record, contract, default_task))
    if not rows and not problems:
        raise DataRejected(f"{path} holds no rows.", "Send a file with at least one row.")
    columns = tuple(dict.fromkeys(name for row in rows for name in row.raw))
    if rows:
        _refuse_wrong_columns(path, columns, contract)
    digests = [row.digest for row in rows] + [problem.digest for problem in problems]
    return Reading(batch_digest(digests), tuple(rows), tuple(problems), columns)


def _row(place: int, raw: dict[str, Any], contract: DataSettings, default_task: str) -> Row:
    text, label = raw.get(contract.text_column), raw.get(contract.label_column)
    task = raw.get(contract.task_column)
    if not isinstance(task, str) or not task.strip():
        task = default_task
    return Row(place, item_digest(text, label), text, label, task, raw)


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise DataRejected(f"There is no file {path}.", "Check the path.") from None
    except OSError as error:
        raise _cannot_open(path, error) from None
    if stat.S_ISDIR(mode):
        raise DataRejected(f"{path} is a folder, not a file.", "Name the batch file inside it.")
    if not stat.S_ISREG(mode):
        raise DataRejected(f"{path} is not a regular file.", "Copy the data to a file first.")


def _refuse_other_formats(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataRejected(
            f"{path} has the suffix {suffix!r}, which is no known format.",
            f"Send one of {', '.join(FORMATS)}.",
        )
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise _cannot_open(path, error) from None
    if not start:
        raise DataRejected(f"{path} is empty.", "Send a file with at least one row.")
    kind = next((kind for magic, kind in BINARY.items() if start.startswith(magic)), None)
    if kind and not (suffix == ".parquet" and start.startswith(b"PAR1")):
        raise DataRejected(
            f"{path} is {kind}, line 1, although its name ends in {suffix}.",
            f"Export the rows as one of {', '.join(FORMATS)}; pickles are never opened.",
        )


def _refuse_wrong_columns(path: Path, columns: tuple[str, ...], contract: DataSettings) -> None:
    expected = [contract.text_column, contract.label_column]
    missing = [name for name in expected if name not in columns]
    if missing:
        raise DataRejected(
            f"{path} has no column {shown(missing)}; it has {shown(list(columns)) or 'none'}.",
            "Rename the columns, or set data.text_column and data.label_column in params.yaml.",
        )


def _cannot_open(path: Path, error: OSError) -> DataRejected:
    return DataRejected(f"{path} cannot be opened: {error.strerror}.", "Check its path and rights.")
