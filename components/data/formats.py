"""The file formats of a batch, each as a stream of numbered records.

Promise: no value is coerced ("007", "NA" and "1e5" stay text), no line above the limit is
ever loaded, and every refusal names the file and the line. Parquet is decoded by another
process: `parquet_reader` says why.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from components.data.exported_table import ID
from components.data.parquet_reader import parquet_records
from components.data.source_file import (
    MAX_COLUMNS,
    MAX_NESTING,
    CsvFields,
    ExportedFields,
    Format,
    ObjectFields,
    Records,
    Source,
    Unreadable,
    jq,
    not_utf8,
    refuse_columns,
    shown,
    too_large,
    too_long,
)
from components.errors import DataRejected

BOM = b"\xef\xbb\xbf"

MARKS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""What may separate the cells of a .csv file."""


def jsonl_records(source: Source) -> Records:
    """Yield the objects of a JSON Lines file; `place` is the line, blank lines are skipped.

    Raises:
        DataRejected: the file is one JSON array.
    """
    if _is_one_array(source):
        raise DataRejected(
            f"{source.name} is one JSON array, not one JSON object a line.",
            f"Write its objects a line each: `{jq('.[]', source)}`.",
        )
    for place, line in _lines(source):
        if line.isspace():
            continue
        text = _decoded(source, place, line).rstrip("\r\n")
        value = _json_record(text) if text.strip() else None
        if isinstance(value, Unreadable):
            yield place, value, None
        elif value is not None:
            yield place, value, ObjectFields(line)


def csv_records(source: Source) -> Records:
    """Yield the rows of a table of `csv_mark` with a header; an empty cell is None.

    `place` is the line that the row begins on, so quoted newlines keep the count right.

    Raises:
        DataRejected: the header is unreadable, too wide or names a column twice, or one row
            is longer than `line_bytes` (a quote was never closed).
    """
    mark = csv_mark(source)
    rows = _csv_rows(source, mark)
    header = next((row for row in rows if row[1]), None)
    if header is None:
        return
    place, names, _ = header
    if isinstance(names, Unreadable):
        raise DataRejected(
            f"{source.name}, line {place}: the header is unreadable: {names.reason}.",
            "Save the file as comma-separated UTF-8 with one header line.",
        )
    refuse_columns(source, names)
    fields = ExportedFields if ID in names else CsvFields
    for place, row, line in rows:
        if isinstance(row, Unreadable):
            yield place, row, None
        elif row:
            yield place, fields.named(names, row), fields(line, names, mark)


def csv_mark(source: Source) -> str:
    """Return what separates the cells: a key of `MARKS`.

    The first one by which the header has the columns that a batch must have; without one, the
    one that tells most columns apart. So a file that commas read is read by commas.

    Raises:
        DataRejected: the header is not UTF-8, or longer than `line_bytes`.
    """
    csv.field_size_limit(max(csv.field_size_limit(), source.line_bytes))
    widest, best = 0, ","
    for mark in MARKS:
        names = next((row for _, row, _ in _csv_rows(source, mark) if row), [])
        if isinstance(names, Unreadable):
            continue
        if source.columns and all(not each.isdisjoint(names) for each in source.columns):
            return mark
        if len(names) > widest:
            widest, best = len(names), mark
    return best


FORMATS: dict[str, Format] = {
    ".jsonl": jsonl_records,
    ".ndjson": jsonl_records,
    ".csv": csv_records,
    ".parquet": parquet_records,
}


def _lines(source: Source) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, bytes with the line end); the byte order mark is dropped."""
    limit, left = source.line_bytes, source.file_bytes
    with source.path.open("rb") as file:
        if file.read(len(BOM)) != BOM:
            file.seek(0)
        place = 0
        while line := file.readline(limit + 2):
            place += 1
            size = len(line)
            if size > limit and len(line.removesuffix(b"\n").removesuffix(b"\r")) > limit:
                raise too_long(source, f"line {place}")
            left -= size
            if left < 0:
                raise too_large(source, f"(line {place})")
            yield place, line


def _is_one_array(source: Source) -> bool:
    """Tell whether a file is one array, on one line or on many; an array a line is none."""
    with source.path.open("rb") as file:
        if file.read(len(BOM)) != BOM:
            file.seek(0)
        lines = iter(lambda: file.readline(source.line_bytes), b"")
        filled = (line.strip() for line in lines if not line.isspace())
        first, second = next(filled, b""), next(filled, b"")
        file.seek(max(0, source.path.stat().st_size - 1_000))
        ends = file.read().rstrip().endswith(b"]")
    return first.startswith(b"[") and ends and not (second and first.endswith(b"]"))


def _decoded(source: Source, place: int, line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        where = error.start
        raise not_utf8(source, f"line {place}", line[where], where + 1) from None


def _json_record(line: str) -> dict[str, Any] | Unreadable:
    try:
        value = _decode(line)
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
    if len(value) > MAX_COLUMNS:
        return Unreadable(f"more than {MAX_COLUMNS:,} keys", line)
    if _deeper(value, MAX_NESTING):
        return Unreadable(f"nested deeper than {MAX_NESTING}", line)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        [(repeated, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {shown([repeated])} occurs twice")
    return value


def _refuse_number(literal: str) -> Any:
    raise ValueError(f"{literal} is not a JSON number")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"the number {literal[:40]} is out of range")
    return number


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_number, parse_float=_finite
).decode


def _json_kind(value: Any) -> str:
    kinds = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(part, levels - 1) for part in inner)


def _csv_rows(source: Source, mark: str) -> Iterator[tuple[int, list[str] | Unreadable, bytes]]:
    """Yield (first line, cells, bytes); cells are [] for a blank line, Unreadable for a bad row.

    A first line `sep=;`, which is for Excel alone, counts as blank.
    """
    lines: list[bytes] = []

    def tee() -> Iterator[str]:
        size = 0
        for place, line in _lines(source):
            size = size + len(line) if lines else len(line)
            if size > source.line_bytes + 2:
                raise too_long(source, f"line {place - len(lines)}")
            lines.append(line)
            text = _decoded(source, place, line)
            yield "\n" if place == 1 and _FOR_EXCEL.fullmatch(text) else text

    reader = csv.reader(tee(), strict=True, delimiter=mark)
    width = 0
    while True:
        place, row = reader.line_num + 1, None
        lines.clear()
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield place, _bad_row(f"not CSV: {error}", lines), b""
            continue
        if row is None:
            return
        width = width or len(row)
        if row and len(row) != width:
            cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
            yield place, _bad_row(f"{cells} where the header has {width}", lines), b""
        else:
            yield place, row, lines[0] if len(lines) == 1 else b"".join(lines)


_FOR_EXCEL = re.compile(r"sep=.[\r\n]*", re.IGNORECASE)


def _bad_row(reason: str, lines: list[bytes]) -> Unreadable:
    return Unreadable(reason, b"".join(lines).decode().rstrip("\r\n"))
