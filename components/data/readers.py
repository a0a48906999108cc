"""Reading a batch: from a file to numbered rows, each with its identity.

Concept: `read_batch` returns every row as it stands, with its line number, beside the lines
that are no rows at all. Whether a row is any good is for `validation` to say.

Promise: the batch digest depends on what the rows say, never on their order, on the file's
name or on its format. It covers texts and labels; `identities` tells batches apart that differ
in nothing but tasks or other columns. A file that cannot be read raises one `DataRejected` that
names the file, the line and the remedy.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from components.data.columns import as_read, names_of, refuse_missing
from components.data.formats import FORMATS
from components.data.modality import MODALITIES
from components.data.source_file import (
    MAX_COLUMNS,
    Records,
    Source,
    Unreadable,
    jq,
    one_line,
    parsed,
    shown,
    too_large,
    too_many_columns,
    too_many_rows,
)
from components.digest import task_name
from components.errors import DataRejected, RatchetError
from components.identity import PLAIN, Identity

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


MAX_NESTED_VALUES = 1_000_000
"""In the text and label columns of one file, together: they are kept parsed, at up to 100 bytes
of memory each, and a text that is a list is rejected later anyway."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read. `place` counts lines (Parquet: rows) from 1; None is missing.

    `raw` holds every column; it is parsed each time that it is asked.
    """

    place: int
    digest: str
    content: Any
    label: Any
    task: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One line that is no row (bad JSON, a ragged CSV row), with its text."""

    place: int
    digest: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A batch as read; `digest` is its name, over rows and problems alike.

    `identity` is what made every digest in it.
    """

    digest: str
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    columns: tuple[str, ...]
    identity: Identity = PLAIN


def read_batch(
    path: Path,
    contract: DataSettings,
    default_task: str,
    name: str | None = None,
    identity: Identity = PLAIN,
) -> Reading:
    """Read a batch from a .jsonl, .ndjson, .csv or .parquet file; `path` says which it is.

    A row's task is its task column where that is a non-blank string, else `default_task`.
    `name` is what people know the file by; without it messages name the path. `identity` says
    what the contents are, and makes the digests.

    Memory: a kept row takes about 500 bytes, its line, and its text and label once more (1 to 4
    bytes a character, as its widest one needs): measured, 700 bytes a row of 110. Reading
    itself takes at most 40 MB here at the defaults, and for Parquet `DECODER_BYTES` beyond the
    libraries in the decoder.

    Raises:
        DataRejected: no such file, no regular file, of an unknown format, empty, not UTF-8,
            a line above `max_line_bytes`, a file above `max_file_megabytes`, more than
            `max_rows` rows, no row has the text or the label column, or whatever else a
            parser could not cope with.
        Retryable: the process that decodes Parquet was stopped from outside, or the machine
            could not start it.
    """
    source = Source(
        path,
        name or str(path),
        contract.max_line_bytes,
        contract.max_file_megabytes * 1_000_000,
        contract.max_rows,
        tuple(names_of(each, contract) for each in _needed(contract, identity)),
    )
    try:
        return _read(source, contract, default_task, identity)
    except RatchetError:
        raise
    # A file comes from outside, and its bytes pass through parsers that are not ours. Whatever
    # they throw at it (MemoryError and RecursionError too) is this file's fault: it goes to
    # quarantine with the reason, and must not stop the files behind it.
    except Exception as error:
        raise DataRejected(
            f"{source.name} cannot be read: {type(error).__name__}: {one_line(error)}.",
            "Write the file again; if the error makes no sense, report it with the file.",
        ) from error


def open_records(source: Source) -> Records:
    """Return the records of a file, one by one; whoever asks closes them.

    Raises:
        DataRejected: it is no regular file, empty, or of an unknown format; more while it is read.
    """
    _refuse_what_is_no_file(source)
    _refuse_other_formats(source)
    return FORMATS[source.path.suffix.lower()](source)


def content_digest(reading: Reading, contract: DataSettings, default_task: str) -> str:
    """Return the digest of all that the rows say: the task of each and every column.

    A row that names no task has `default_task`.

    Law: as for the batch digest, order, name and format do not count. Nor does a column without
    a value, nor whether a task stands in its row or was that of the file, nor the Unicode form
    of its name.
    """
    rows = (_row_digest(row, contract, default_task, reading.identity) for row in reading.rows)
    return reading.identity.batch(chain(rows, (each.digest for each in reading.problems)))


def identities(reading: Reading, content: str) -> tuple[str, str]:
    """Return the two names that a batch may have: its digest, and one that its content is in.

    It has the second where another batch of the same texts and labels came before it.
    """
    return reading.digest, reading.identity.value([reading.digest, content])


def _read(source: Source, contract: DataSettings, default_task: str, identity: Identity) -> Reading:
    rows: list[Row] = []
    problems: list[Problem] = []
    columns: dict[str, None] = {}
    nested = 0
    # Closed here and not by the garbage collector: a traceback would keep the decoder alive.
    with closing(open_records(source)) as records:
        for place, values, fields in records:
            if len(rows) + len(problems) == source.rows:
                raise too_many_rows(source, f"line {place}")
            if isinstance(values, Unreadable):
                digest = identity.value({"unreadable": values.raw})
                problems.append(Problem(place, digest, values.reason, values.raw))
                continue
            values = as_read(values, contract)
            if not columns.keys() >= values.keys():
                columns.update(dict.fromkeys(values))
                if len(columns) > MAX_COLUMNS:
                    raise too_many_columns(source)
            row = _row(place, values, fields, contract, default_task, identity)
            if type(row.content) is not str or type(row.label) is not str:
                nested += _parts(row.content) + _parts(row.label)
                if nested > MAX_NESTED_VALUES:
                    raise _too_nested(source, place)
            rows.append(row)
    if not rows and not problems:
        raise DataRejected(f"{source.name} has no rows.", "Send a file with at least one row.")
    if rows:
        raw = (row.raw for row in rows)
        refuse_missing(source, columns, _needed(contract, identity), raw)
    digest = identity.batch(each.digest for each in chain[Row | Problem](rows, problems))
    return Reading(digest, tuple(rows), tuple(problems), tuple(columns), identity)


def _needed(contract: DataSettings, identity: Identity) -> tuple[str, str]:
    """Return the columns that a batch must have: of its contents and of its labels."""
    return MODALITIES[identity.modality].column(contract), contract.label_column


def _row(
    place: int,
    values: dict[str, Any],
    fields: Any,
    contract: DataSettings,
    default_task: str,
    identity: Identity,
) -> Row:
    content = MODALITIES[identity.modality].read(values, contract)
    label = values.get(contract.label_column)
    task = values.get(contract.task_column)
    task = task_name(task) if _names_a_task(task) else default_task
    return Row(place, identity.item(content, label), content, label, task, fields)


def _row_digest(row: Row, contract: DataSettings, default_task: str, identity: Identity) -> str:
    """Return the digest of all that a row says; its content and label are in its own."""
    own = _needed(contract, identity)
    said = {
        name: value
        for name, value in as_read(parsed(row.raw), contract).items()
        if name not in own and value is not None
    }
    task = said.get(contract.task_column)
    if isinstance(task, str):
        del said[contract.task_column]
    task = task_name(task) if _names_a_task(task) else default_task
    return identity.value([row.digest, task, said])


def _names_a_task(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def _parts(value: Any) -> int:
    """Return how many values a list or an object holds, at every level; 0 for any other."""
    if not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return len(value) + sum(map(_parts, inner))


def _refuse_what_is_no_file(source: Source) -> None:
    try:
        found = source.path.stat()
    except FileNotFoundError:
        raise DataRejected(f"There is no file {source.name}.", "Check the path.") from None
    except OSError as error:
        raise _cannot_open(source, error) from None
    if stat.S_ISDIR(found.st_mode):
        raise DataRejected(
            f"{source.name} is a folder, not a file.", "Name the batch file inside it."
        )
    if not stat.S_ISREG(found.st_mode):
        raise DataRejected(
            f"{source.name} is not a regular file.", "Copy the data to a file first."
        )
    if found.st_size > source.file_bytes:
        raise too_large(source, f"on disk ({found.st_size / 1e6:,.1f} MB)")


def _refuse_other_formats(source: Source) -> None:
    suffix = source.path.suffix.lower()
    if suffix not in FORMATS:
        raise DataRejected(
            f"{source.name} has the suffix {shown([suffix])}, which is not a known format.",
            f"Send one of {', '.join(FORMATS)}."
            + (f" From a JSON array: `{jq('.[]', source)}`." if suffix == ".json" else ""),
        )
    try:
        with source.path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise _cannot_open(source, error) from None
    if not start:
        raise DataRejected(f"{source.name} is empty.", "Send a file with at least one row.")
    kind = next((kind for magic, kind in BINARY.items() if start.startswith(magic)), None)
    if kind and not (suffix == ".parquet" and start.startswith(b"PAR1")):
        raise DataRejected(
            f"{source.name} is {kind}, line 1, although its name ends in {suffix}.",
            f"Export the rows as one of {', '.join(FORMATS)}; pickles are never opened.",
        )


def _cannot_open(source: Source, error: OSError) -> DataRejected:
    return DataRejected(
        f"{source.name} cannot be opened: {error.strerror}.", "Check its path and permissions."
    )


def _too_nested(source: Source, place: int) -> DataRejected:
    return DataRejected(
        f"{source.name}, line {place}: texts and labels contain more than "
        f"{MAX_NESTED_VALUES:,} nested values up to here.",
        "Write every text and every label as a string.",
    )
