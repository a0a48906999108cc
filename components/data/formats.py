"""The file formats of a batch, each as a stream of numbered records.

Concept: a format is one generator from a path to `(place, record)`; a record is the parsed
row, or `Unreadable` where one line is no row. What makes a whole file unusable raises.

Promise: no value is coerced ("007", "NA" and "1e5" stay text), no line above the limit is
ever loaded, and every refusal names the file and the line.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import DataRejected

MAX_NESTING = 32
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One line that is no row: why, and its text."""

    reason: str
    raw: str


Record = tuple[int, dict[str, Any] | Unreadable]
Format = Callable[[Path, int], Iterator[Record]]


def jsonl_records(path: Path, max_line_bytes: int) -> Iterator[Record]:
    """Yield the objects of a JSON Lines file; `place` is the line, blank lines are skipped."""
    for place, line in _lines(path, max_line_bytes):
        if line.strip():
            yield place, _json_record(line.rstrip("\r\n"))


def csv_records(path: Path, max_line_bytes: int) -> Iterator[Record]:
    """Yield the rows of a comma-separated file with a header; an empty cell is None.

    `place` is the line that the row begins on, so quoted newlines keep the count right.

    Raises:
        DataRejected: the header is unreadable or names a column twice, or one row is
            longer than `max_line_bytes` (a quote was never closed).
    """
    csv.field_size_limit(max(csv.field_size_limit(), max_line_bytes))
    rows = _csv_rows(path, max_line_bytes)
    header = next(((place, row) for place, row in rows if row), None)
    if header is None:
        return
    place, names = header
    if isinstance(names, Unreadable):
        raise DataRejected(
            f"{path}, line {place}: the header is unreadable: {names.reason}.",
            "Save the file as comma-separated UTF-8 with one header line.",
        )
    refuse_repeated(path, names)
    for place, row in rows:
        if isinstance(row, Unreadable):
            yield place, row
        elif row:
            yield place, {name: cell or None for name, cell in zip(names, row, strict=True)}


def parquet_records(path: Path, max_line_bytes: int) -> Iterator[Record]:
    """Yield the rows of a Parquet file, which has no lines: `place` counts rows from 1.

    A value that JSON has no form for (bytes, a timestamp, NaN) becomes `{type name: text}`,
    so that it is kept, has an identity, and is never taken for text.

    Raises:
        DataRejected: truncated, no Parquet at all, not UTF-8, or a column named twice.
    """
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    place = 0
    try:
        with parquet.ParquetFile(path) as file:
            refuse_repeated(path, list(file.schema_arrow.names))
            for chunk in file.iter_batches(batch_size=4096):
                for index in range(chunk.num_rows):
                    place += 1
                    row = {name: chunk.column(name)[index].as_py() for name in chunk.schema.names}
                    yield place, {name: _jsonable(value) for name, value in row.items()}
    except UnicodeDecodeError as error:
        raise _not_utf8(path, "row", place, error) from None
    except (arrow.ArrowException, OSError) as error:
        raise DataRejected(
            f"{path} is no readable Parquet file: {_one_line(error)}.",
            "Write the file again; it may be cut short or of another format.",
        ) from None


FORMATS: dict[str, Format] = {
    ".jsonl": jsonl_records,
    ".ndjson": jsonl_records,
    ".csv": csv_records,
    ".parquet": parquet_records,
}


def refuse_repeated(path: Path, names: list[str]) -> None:
    """Raise DataRejected where a column name stands twice: one of them would be lost."""
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise DataRejected(
            f"{path} names these columns twice: {shown(repeated)}.",
            "Give every column its own name.",
        )


def shown(names: list[str]) -> str:
    """Return names for a message: quoted, escaped, at most twelve, each cut at 60."""
    quoted = [repr(name if len(name) <= 60 else name[:60] + "…") for name in names[:12]]
    return ", ".join(quoted) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _lines(path: Path, limit: int) -> Iterator[tuple[int, str]]:
    """Yield (line number, text with its line end); the byte order mark is dropped."""
    with path.open("rb") as file:
        if file.read(len(BOM)) != BOM:
            file.seek(0)
        place = 0
        while line := file.readline(limit + 2):
            place += 1
            if len(line.removesuffix(b"\n").removesuffix(b"\r")) > limit:
                raise _too_long(path, place, limit)
            try:
                yield place, line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, "line", place, error) from None


def _json_record(line: str) -> dict[str, Any] | Unreadable:
    try:
        value = json.loads(
            line,
            object_pairs_hook=_object,
            parse_constant=_refuse_number,
            parse_float=_finite,
        )
    except RecursionError:
        return Unreadable(f"nested deeper than {MAX_NESTING}", line)
    except json.JSONDecodeError as error:
        return Unreadable(
            f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}", line
        )
    except ValueError as error:
        return Unreadable(f"not JSON: {error}", line)
    if not isinstance(value, dict):
        return Unreadable(f"not a JSON object but {_json_kind(value)}", line)
    if _deeper(value, MAX_NESTING):
        return Unreadable(f"nested deeper than {MAX_NESTING}", line)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        [(repeated, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {shown([repeated])} stands twice")
    return value


def _refuse_number(literal: str) -> Any:
    raise ValueError(f"{literal} is no JSON number")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"the number {literal[:40]} is out of range")
    return number


def _json_kind(value: Any) -> str:
    kinds = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(part, levels - 1) for part in inner)


def _csv_rows(path: Path, limit: int) -> Iterator[tuple[int, list[str] | Unreadable]]:
    """Yield (first line, cells); cells are [] for a blank line, Unreadable for a bad row."""
    lines: list[str] = []

    def tee() -> Iterator[str]:
        size = 0
        for place, line in _lines(path, limit):
            size = size + len(line) if lines else len(line)
            if size > limit + 2:
                raise _too_long(path, place - len(lines), limit)
            lines.append(line)
            yield line

    reader = csv.reader(tee(), strict=True)
    width = 0
    while True:
        place, row = reader.line_num + 1, None
        lines.clear()
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield place, Unreadable(f"not CSV: {error}", "".join(lines).rstrip("\r\n"))
            continue
        if row is None:
            return
        width = width or len(row)
        if row and len(row) != width:
            reason = f"{len(row)} cells where the header has {width}"
            yield place, Unreadable(reason, "".join(lines).rstrip("\r\n"))
        else:
            yield place, row


def _jsonable(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, dict):
        return {str(key): _jsonable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(part) for part in value]
    return {type(value).__name__: str(value)}


def _too_long(path: Path, place: int, limit: int) -> DataRejected:
    return DataRejected(
        f"{path}, line {place} is longer than {limit:,} bytes.",
        "Split the file into lines (in CSV, close every quote), or raise data.max_line_bytes.",
    )


def _not_utf8(path: Path, unit: str, place: int, error: UnicodeDecodeError) -> DataRejected:
    byte = error.object[error.start]
    return DataRejected(
        f"{path}, {unit} {place} is not UTF-8: byte 0x{byte:02x} at position {error.start + 1}.",
        "Save the file as UTF-8 and send it again.",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
