"""Reading takes little memory whatever arrives: measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

MEASURE = """
import json, resource, sys
from pathlib import Path
from components.data.readers import read_batch
from components.errors import DataRejected
from components.settings import DataSettings

def peak(field):
    status = open("/proc/self/status").read()
    return int(status.partition(field + ":")[2].split()[0]) * 1024

idle = peak("VmRSS")
try:
    said = len(read_batch(Path(sys.argv[1]), DataSettings(), "default").rows)
except DataRejected as refusal:
    said = refusal.message
here = peak("VmHWM") - idle
decoder = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps([said, here, decoder]))
"""
LIMIT_BYTES = 300_000_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured by what Linux says")


def measured(path: Path) -> tuple[int | str, int]:
    """Return what reading said (rows or a refusal) and the bytes above idle, decoder included."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    said, here, decoder = json.loads(done.stdout)
    return said, here + decoder


def write(path: Path, text: pyarrow.Array, **options: object) -> None:
    columns = {"text": text, "label": pyarrow.array(["a"] * len(text))}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="zstd", **options)


def repeated(path: Path) -> None:
    """One text of 10 MB, a hundred thousand times: a terabyte in some kilobytes."""
    zeros = pyarrow.array([0] * 100_000, pyarrow.int32())
    text = pyarrow.DictionaryArray.from_arrays(zeros, pyarrow.array(["x" * 10_000_000]))
    write(path, text, store_schema=False)


def kept_dictionary(path: Path) -> None:
    """The same, but the file asks for a dictionary: there Arrow itself takes little."""
    zeros = pyarrow.array([0] * 100_000, pyarrow.int32())
    write(path, pyarrow.DictionaryArray.from_arrays(zeros, pyarrow.array(["x" * 900_000])))


def nested(path: Path) -> None:
    """A list of 1.5 million zeros in one row."""
    values = pyarrow.array(memoryview(bytes(1_500_000)), pyarrow.int8())
    write(path, pyarrow.ListArray.from_arrays([0, len(values)], values))


def page(path: Path) -> None:
    """One page that unpacks to 170 MB."""
    write(path, pyarrow.array(["x" * 170_000_000]), use_dictionary=False)


def null_rows(path: Path) -> None:
    """Fifty million rows of nothing, in one row group."""
    rows = 50_000_000
    pyarrow.parquet.write_table(
        pyarrow.table({"text": pyarrow.nulls(rows), "label": pyarrow.nulls(rows)}),
        path,
        row_group_size=rows,
    )


def endless_line(path: Path) -> None:
    """Two gigabytes without a line end (a sparse file)."""
    with path.open("wb") as file:
        file.write(b'{"text":"')
        file.truncate(2_000_000_000)


def line_below_the_file_limit(path: Path) -> None:
    """150 MB without a line end."""
    path.write_bytes(b'{"text":"' + b"x" * 150_000_000)


def open_quote(path: Path) -> None:
    path.write_bytes(b'text,label\n"' + b"never closed, \n" * 10_000_000)


def lists_of_nothing(path: Path) -> None:
    """Lines of the longest legal length whose values take 20 times their bytes."""
    path.write_bytes((b'{"text":"a","label":"b","c":[' + b"[]," * 320_000 + b"[]]}\n") * 30)


BOMBS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "repeated": ("b.parquet", repeated, "memory to decode"),
    "dictionary": ("b.parquet", kept_dictionary, "decompression bomb"),
    "nested": ("b.parquet", nested, "row 1 is longer than"),
    "page": ("b.parquet", page, "memory to decode"),
    "null rows": ("b.parquet", null_rows, "its footer counts 50,000,000"),
    "endless line": ("b.jsonl", endless_line, "larger than 200 MB on disk"),
    "long line": ("b.jsonl", line_below_the_file_limit, "line 1 is longer than"),
    "open quote": ("b.csv", open_quote, "line 2 is longer than"),
}


@pytest.mark.parametrize(("name", "make", "said"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_within_the_memory_that_reading_may_take(
    tmp_path: Path, name: str, make: Callable[[Path], None], said: str
) -> None:
    make(tmp_path / name)
    answer, above_idle = measured(tmp_path / name)
    assert said in str(answer)
    assert above_idle < LIMIT_BYTES


@pytest.mark.slow
def test_kept_rows_take_the_bytes_of_their_lines_whatever_they_parse_to(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    lists_of_nothing(path)
    answer, above_idle = measured(path)
    assert answer == 30
    assert above_idle < LIMIT_BYTES + path.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("name", ["b.jsonl", "b.csv", "b.parquet"])
def test_a_million_tiny_rows_take_what_the_reader_promises_a_row(tmp_path: Path, name: str) -> None:
    path, rows = tmp_path / name, 1_000_000
    if name == "b.parquet":
        table = pyarrow.table({"text": map(str, range(rows)), "label": ["a"] * rows})
        pyarrow.parquet.write_table(table, path)
    else:
        line = "{},a\n" if name == "b.csv" else '{{"text":"{}","label":"a"}}\n'
        start = "text,label\n" if name == "b.csv" else ""
        path.write_text(start + "".join(line.format(i) for i in range(rows)))
    answer, above_idle = measured(path)
    assert answer == rows
    assert above_idle < LIMIT_BYTES + rows * 700
