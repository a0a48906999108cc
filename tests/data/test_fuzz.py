"""Fuzzing: whatever bytes arrive, a reader returns a reading or refuses the file, and soon.

Each file that once broke a reader stays in `corpus/`. `make test ARGS="-m slow -k fuzz"` tries
thousands of new ones.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.data.readers import read_batch
from components.errors import DataRejected
from components.settings import DataSettings

CORPUS = Path(__file__).with_name("corpus")
LIMITS = DataSettings(max_line_bytes=10_000, max_file_megabytes=1, max_rows=5_000)
MOST_SECONDS = 60  # on a busy machine; alone it is milliseconds, Parquet a fifth of a second


def some(kind: str, examples: int) -> settings:
    """Return how much to try; a Parquet file costs the start of a process."""
    share = 6 if kind in ("damaged Parquet", "tables") else 1
    return settings(
        max_examples=examples // share, deadline=None, suppress_health_check=list(HealthCheck)
    )


def holds(name: str, data: bytes) -> None:
    """Assert the promise of `read_batch` for one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        begun = time.monotonic()
        try:
            reading = read_batch(path, LIMITS, "default")
        except DataRejected as refusal:
            assert name in refusal.message and len(refusal.message) < 3_000
        else:
            assert 0 < len(reading.rows) + len(reading.problems) <= LIMITS.max_rows
            for row in reading.rows:
                json.dumps([dict(row.raw), row.content, row.label], allow_nan=False)
        assert time.monotonic() - begun < MOST_SECONDS


def parquet(table: pyarrow.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


TABLE = pyarrow.table(
    {
        "text": ["one day", "two\ndays", None, "four"] * 5,
        "label": pyarrow.array(["a", "b", "a", "c"] * 5).dictionary_encode(),
        "list": [[{"x": 1.5}], [], None, [{"x": None}]] * 5,
        "when": pyarrow.array([0, 1, None, 2] * 5, pyarrow.timestamp("us", "UTC")),
    }
)
GOOD = {
    "b.jsonl": [
        b'{"text":"one day","label":"a","n":[1,{"x":null}]}\n'
        b'{"text":"zw\xc3\xb6lf","label":"b"}\r\n'
    ],
    "b.csv": [b'text,label,n\n"one, ""day""",a,1\r\n"two\nlines",b,\n'],
    "b.parquet": [
        parquet(TABLE),
        parquet(TABLE, compression="zstd", use_dictionary=False),
        parquet(TABLE, compression="none", data_page_version="2.0", row_group_size=3),
        parquet(
            TABLE,
            compression="gzip",
            column_encoding={"text": "DELTA_BYTE_ARRAY"},
            use_dictionary=["label"],
        ),
    ],
}
PIECES = [
    b"\0",
    b"\r",
    b'"',
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"1e999",
    b"9" * 5_000,
    b"[" * 9_999,
    b"\xff" * 8,
    b"PAR1",
    b",,,,",
    b"{",
    b"NaN",
    b"9223372036854775808",
    b"\\ud800",
]


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """Return a good file after some flips, cuts and splices."""
    data = bytearray(draw(st.sampled_from(GOOD[name])))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "cut", "splice", "repeat", "drop"])):
            case "flip" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at:]
            case "splice":
                data[at:at] = draw(st.sampled_from(PIECES) | st.binary(max_size=8))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(0, 200))]
            case "drop":
                del data[at : at + draw(st.integers(0, 20))]
    return bytes(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
PLAIN = [
    pyarrow.int8(),
    pyarrow.uint64(),
    pyarrow.float16(),
    pyarrow.float64(),
    pyarrow.string(),
    pyarrow.large_string(),
    pyarrow.binary(),
    pyarrow.binary(4),
    pyarrow.bool_(),
    pyarrow.null(),
    pyarrow.date32(),
    pyarrow.date64(),
    pyarrow.time32("s"),
    pyarrow.time64("ns"),
    pyarrow.timestamp("ns"),
    pyarrow.timestamp("s", "Asia/Tokyo"),
    pyarrow.duration("ms"),
    pyarrow.decimal128(20, 3),
    pyarrow.decimal256(70, 2),
]
KINDS = st.recursive(
    st.sampled_from(PLAIN),
    lambda inner: (
        st.builds(pyarrow.list_, inner)
        | st.builds(lambda kind: pyarrow.struct([("x", kind), ("y", kind)]), inner)
        | st.builds(lambda kind: pyarrow.map_(pyarrow.string(), kind), inner)
    ),
    max_leaves=4,
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Return a Parquet file of random columns whose cells are random bytes of their type."""
    rows = draw(st.integers(0, 40))
    columns = {}
    for name in ["text", "label", *draw(st.lists(st.text(max_size=4), unique=True, max_size=3))]:
        columns[name] = column(draw, draw(KINDS), rows)
    try:
        return parquet(pyarrow.table(columns), use_dictionary=draw(st.booleans()))
    except (pyarrow.ArrowException, OSError):  # Parquet has no such type
        return b"PAR1"


def column(draw: st.DrawFn, kind: pyarrow.DataType, rows: int) -> pyarrow.Array:
    """Return an array of random content, also of values that no Python object stands for."""
    if pyarrow.types.is_list(kind) or pyarrow.types.is_map(kind):
        offsets = pyarrow.array([i // 2 for i in range(rows + 1)], pyarrow.int32())
        if pyarrow.types.is_map(kind):
            keys = pyarrow.array([str(i) for i in range(rows // 2)], pyarrow.string())
            return pyarrow.MapArray.from_arrays(
                offsets, keys, column(draw, kind.item_type, rows // 2)
            )
        return pyarrow.ListArray.from_arrays(offsets, column(draw, kind.value_type, rows // 2))
    if pyarrow.types.is_struct(kind):
        parts = [column(draw, kind.field(i).type, rows) for i in range(kind.num_fields)]
        return pyarrow.StructArray.from_arrays(parts, fields=list(kind))
    if pyarrow.types.is_null(kind):
        return pyarrow.nulls(rows)
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        return pyarrow.array([draw(st.text(max_size=5)) for _ in range(rows)], kind)
    if pyarrow.types.is_binary(kind):
        return pyarrow.array([draw(st.binary(max_size=5)) for _ in range(rows)], kind)
    size = max(1, rows * kind.bit_width // 8 + 1)
    seed = draw(st.binary(min_size=8, max_size=64))
    content = (seed * (size // len(seed) + 1))[:size]
    return pyarrow.Array.from_buffers(kind, rows, [None, pyarrow.py_buffer(content)])


FILES: dict[str, st.SearchStrategy[tuple[str, bytes]]] = {
    "bytes": st.tuples(st.sampled_from(list(GOOD)), st.binary(max_size=400)),
    "damaged JSONL": st.tuples(st.just("b.jsonl"), damaged("b.jsonl")),
    "damaged CSV": st.tuples(st.just("b.csv"), damaged("b.csv")),
    "damaged Parquet": st.tuples(st.just("b.parquet"), damaged("b.parquet")),
    "JSON": st.tuples(
        st.just("b.jsonl"),
        st.lists(st.fixed_dictionaries({"text": JSON, "label": JSON}), min_size=1, max_size=5).map(
            lambda rows: "\n".join(map(json.dumps, rows)).encode()
        ),
    ),
    "tables": st.tuples(st.just("b.parquet"), tables()),
}


@pytest.mark.parametrize("kind", FILES)
def test_fuzz_any_file_is_read_or_refused(kind: str) -> None:
    given(FILES[kind])(some(kind, 48)(lambda file: holds(*file)))()


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_fuzz_thousands_of_files_are_read_or_refused(kind: str) -> None:
    given(FILES[kind])(some(kind, 1_200)(lambda file: holds(*file)))()


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_what_fuzzing_found_is_read_or_refused(path: Path) -> None:
    holds(path.name, path.read_bytes())
