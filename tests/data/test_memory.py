"""Reading takes little memory whatever arrives: measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
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

TAKE_IN = """
import sys, time
from pathlib import Path
from components.data.readers import content_digest, read_batch
from components.data.quarantine import prepare_rows
from components.data.validation import validate
from components.errors import DataRejected
from components.settings import DataSettings
import great_expectations, pandas

path, contract = Path(sys.argv[1]), DataSettings()
print("idle", flush=True)
sys.stdin.readline()
try:
    reading = read_batch(path, contract, "default")
    content_digest(reading, contract, "default")
    validation = validate(reading, contract, frozenset())
    prepare_rows(path.parent, "0" * 64, path.name, validation.rejected)
    print(len(reading.rows) + len(reading.problems), validation.refused)
except DataRejected as refusal:
    print(0, refusal.message)
"""
ROW_BYTES, COPIES = 1_700, 2
"""What a kept row of ASCII takes, as SECURITY.md states it: so much, and so often its own bytes."""
PORTION_BYTES = 150_000_000
"""What reading and checking one portion of rows may take besides."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured by what Linux says")


def cases(table: Mapping[str, tuple[Any, ...]], slow: Set[str]) -> list[Any]:
    """Return the rows of a table as pytest's parameters; some take ten seconds to make."""
    marks = {name: [pytest.mark.slow] if name in slow else [] for name in table}
    return [pytest.param(*row, id=name, marks=marks[name]) for name, row in table.items()]


def measured(path: Path) -> tuple[int | str, int]:
    """Return what reading said (rows or a refusal) and the bytes above idle, decoder included."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    said, here, decoder = json.loads(done.stdout)
    return said, here + decoder


def taken_in(path: Path) -> tuple[int, str, int]:
    """Return kept rows, what was said, and the most that the process tree took above idle."""
    with subprocess.Popen(
        [sys.executable, "-c", TAKE_IN, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # they are pipes
        assert process.stdout.readline() == "idle\n"
        idle = peak = tree_bytes(process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        while process.poll() is None:
            peak = max(peak, tree_bytes(process.pid))
            time.sleep(0.01)
        rows, _, said = process.stdout.read().partition(" ")
    assert process.returncode == 0
    return int(rows), said, peak - idle


def tree_bytes(pid: int) -> int:
    """Return the resident bytes of a process and of all below it."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        whole = psutil.Process(pid)
        for process in [whole, *whole.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total


def kept_bytes(rows: int, path: Path) -> int:
    return rows * ROW_BYTES + path.stat().st_size * COPIES


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


def footer(path: Path) -> None:
    """A footer that is the whole file: a row group for each of 100,000 rows."""
    write(path, pyarrow.array(["a"] * 100_000), row_group_size=1)


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
    "null rows": ("b.parquet", null_rows, "its footer says 50,000,000"),
    "footer": ("b.parquet", footer, "memory to decode"),
    "endless line": ("b.jsonl", endless_line, "larger than 200 MB on disk"),
    "long line": ("b.jsonl", line_below_the_file_limit, "line 1 is longer than"),
    "open quote": ("b.csv", open_quote, "line 2 is longer than"),
}


@pytest.mark.parametrize(("name", "make", "said"), cases(BOMBS, slow={"footer"}))
def test_a_bomb_is_refused_within_the_memory_that_reading_may_take(
    tmp_path: Path, name: str, make: Callable[[Path], None], said: str
) -> None:
    make(tmp_path / name)
    answer, above_idle = measured(tmp_path / name)
    assert said in str(answer)
    assert above_idle < LIMIT_BYTES


WORDS = "word " * 190
BROKEN: dict[str, tuple[str, str, str]] = {
    "no JSON": ("b.jsonl", "", '{{"text":"{} %s","label":l}}\n'),
    "no label": ("b.jsonl", '{"text":"a","label":"b"}\n', '{{"text":"{} %s","lebel":"l"}}\n'),
    "no text": ("b.jsonl", "", '{{"text":"","label":"","other":"{} %s"}}\n'),
    "ragged": ("b.csv", "text,label\n", "{},%s,c\n"),
}


@pytest.mark.parametrize(("name", "start", "line"), cases(BROKEN, slow=set(BROKEN) - {"no label"}))
def test_a_file_of_broken_rows_takes_what_is_stated_for_kept_rows(
    tmp_path: Path, name: str, start: str, line: str
) -> None:
    path = tmp_path / name
    path.write_text(start + "".join(line.format(i) for i in range(40_000)).replace("%s", WORDS))
    rows, said, above_idle = taken_in(path)
    assert rows >= 40_000 and "rows are broken" in said
    assert above_idle < PORTION_BYTES + kept_bytes(rows, path)


@pytest.mark.slow
@pytest.mark.parametrize("more", ["", WORDS], ids=["short", "long"])
def test_sound_rows_take_what_is_stated_for_kept_rows(tmp_path: Path, more: str) -> None:
    path, rows = tmp_path / "b.jsonl", 100_000
    path.write_text(
        "".join(f'{{"text":"message {i} {more}","label":"l{i % 2}"}}\n' for i in range(rows))
    )
    kept, said, above_idle = taken_in(path)
    assert kept == rows and said == "None\n"
    assert above_idle < PORTION_BYTES + kept_bytes(rows, path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make", "said"), BOMBS.values(), ids=BOMBS)
def test_taking_in_a_bomb_stays_in_the_bound_for_the_whole_tree_of_processes(
    tmp_path: Path, name: str, make: Callable[[Path], None], said: str
) -> None:
    make(tmp_path / name)
    rows, answer, above_idle = taken_in(tmp_path / name)
    assert rows == 0 and said in answer
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
