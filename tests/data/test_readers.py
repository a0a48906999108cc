"""Readers: every row as it stands, every fault with its file and line."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import random
import tracemalloc
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.data.readers import Reading, content_digest, read_batch
from components.errors import DataRejected, Retryable
from components.identity import PLAIN
from components.settings import DataSettings

CONTRACT = DataSettings()
GOOD = b'{"text":"good day","label":"pos"}\n'


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def write_and_read(data: bytes | str, name: str = "b.jsonl", **contract: Any) -> Reading:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return read_batch(path, DataSettings(**contract), "default")

    return write_and_read


def parquet(columns: dict[str, Any] | pyarrow.Table) -> bytes:
    table = columns if isinstance(columns, pyarrow.Table) else pyarrow.table(columns)
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def test_a_jsonl_row_keeps_its_line_number_values_and_identity(read: Any) -> None:
    reading = read(b'\n{"text":"good day","label":"pos","id":7}\n  \n' + GOOD)
    assert [row.place for row in reading.rows] == [2, 4]
    first = reading.rows[0]
    assert (first.content, first.label, first.task) == ("good day", "pos", "default")
    assert first.digest == PLAIN.item("good day", "pos")
    assert first.raw == {"text": "good day", "label": "pos", "id": 7}
    assert reading.columns == ("text", "label", "id")


def test_a_task_column_names_the_task_and_a_blank_one_leaves_the_default(read: Any) -> None:
    reading = read('{"text":"a","label":"b","task":"mail"}\n{"text":"c","label":"b","task":" "}\n')
    assert [row.task for row in reading.rows] == ["mail", "default"]


def test_the_settings_name_the_columns(read: Any) -> None:
    columns = {"text_column": "t", "label_column": "y", "task_column": "k"}
    row = read('{"t":"a","y":"b","k":"mail"}\n', **columns).rows[0]
    assert (row.content, row.label, row.task) == ("a", "b", "mail")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("b.jsonl", '{"text":"007","label":"NA"}\n{"text":"1e5","label":"true"}\n'),
        ("b.csv", "text,label\n007,NA\n1e5,true\n"),
        ("b.parquet", parquet({"text": ["007", "1e5"], "label": ["NA", "true"]})),
    ],
)
def test_text_that_looks_like_a_number_stays_text(read: Any, name: str, data: Any) -> None:
    rows = read(data, name).rows
    assert [(row.content, row.label) for row in rows] == [("007", "NA"), ("1e5", "true")]


def test_a_json_number_stays_a_number(read: Any) -> None:
    row = read('{"text":5,"label":1.5}\n').rows[0]
    assert (row.content, row.label) == (5, 1.5)


def test_the_three_formats_give_one_batch_digest(read: Any) -> None:
    texts, labels = ["a, b", 'she said "ü"'], ["x", "y"]
    lines = [json.dumps({"text": t, "label": y}) for t, y in zip(texts, labels, strict=True)]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["label", "text"], *zip(labels, texts, strict=True)])
    digests = {
        read("\n".join(reversed(lines))).digest,
        read(buffer.getvalue(), "b.csv").digest,
        read(parquet({"text": texts, "label": labels}), "other.PARQUET").digest,
    }
    assert len(digests) == 1


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_byte_order_mark_and_crlf_change_nothing(read: Any, bom: str, end: str) -> None:
    plain = read(GOOD)
    assert read(bom + GOOD.decode().replace("\n", end)).digest == plain.digest
    table = read(f"{bom}text,label{end}good day,pos{end}", "b.csv")
    assert (table.digest, table.columns) == (plain.digest, ("text", "label"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text":"x"', "not JSON: Expecting ',' delimiter at column 12"),
        ('{"text":NaN,"label":"a"}', "not JSON: NaN is not a JSON number"),
        ('{"text":"a","label":-Infinity}', "not JSON: -Infinity is not a JSON number"),
        ('{"text":1e999,"label":"a"}', "not JSON: the number 1e999 is out of range"),
        ('{"text":"a","label":"b","text":"c"}', "not JSON: the key 'text' occurs twice"),
        ('{"text":"a","label":{"k":1,"k":2}}', "not JSON: the key 'k' occurs twice"),
        ('["a","b"]', "not a JSON object but a list"),
        ("null", "not a JSON object but null"),
        ("12", "not a JSON object but a number"),
        ("text,label", "not JSON: Expecting value at column 1"),
        ('{"text":"a\x00b","label":"c"}', "not JSON: Invalid control character at column 11"),
        ('{"text":' + "[" * 40 + "]" * 40 + "}", "nested deeper than 32"),
        ("[" * 200_000, "nested deeper than 32"),
    ],
    ids=lambda value: value[:24],
)
def test_a_line_that_is_no_row_is_a_problem_at_its_line(read: Any, line: str, reason: str) -> None:
    reading = read(GOOD + line.encode() + b"\n" + GOOD)
    assert [row.place for row in reading.rows] == [1, 3]
    [problem] = reading.problems
    assert (problem.place, problem.reason, problem.raw) == (2, reason, line)


OBJECTS = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
ONE_A_LINE = ",\n".join(map(json.dumps, OBJECTS))


@pytest.mark.parametrize(
    "text",
    [json.dumps(OBJECTS), json.dumps(OBJECTS, indent=1), f"\ufeff\n[\n{ONE_A_LINE}\n]\n\n"],
)
def test_one_json_array_is_refused_with_the_command_that_makes_lines_of_it(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "of may.jsonl"
    path.write_text(text)
    with pytest.raises(DataRejected, match="is one JSON array, not one JSON object a li") as caught:
        read_batch(path, DataSettings(), "t", "of may.jsonl")
    assert "`jq -c '.[]' 'of may.jsonl' > NEW.jsonl`" in caught.value.remedy
    with pytest.raises(DataRejected) as caught:
        read_batch(path.rename(tmp_path / "a.json"), DataSettings(), "t", "a.json")
    assert "`jq -c '.[]' a.json > NEW.jsonl`" in caught.value.remedy


@pytest.mark.parametrize("lines", ['["a", "x"]\n["b", "y"]\n', f"[\n{json.dumps(OBJECTS[0])}\n"])
def test_arrays_of_a_line_each_are_lines(read: Any, lines: str) -> None:
    assert len(read(lines).problems)


def test_an_integer_too_long_to_parse_is_a_problem_and_no_crash(read: Any) -> None:
    [problem] = read(GOOD + b'{"text":' + b"9" * 5000 + b"}\n").problems
    assert problem.reason.startswith("not JSON: Exceeds the limit")


def test_problems_count_for_the_identity_of_a_batch(read: Any) -> None:
    assert read(GOOD + b"broken\n").digest not in {read(GOOD).digest, read(GOOD + b"b\n").digest}


def test_escaped_surrogates_and_nul_are_kept_for_validation(read: Any) -> None:
    reading = read(r'{"text":"\ud800x","label":"a\u0000"}')
    assert (reading.rows[0].content, reading.rows[0].label) == ("\ud800x", "a\0")
    assert len(reading.digest) == 64


def test_csv_places_are_first_lines_even_after_quoted_newlines(read: Any) -> None:
    data = 'text,label\n"two\nlines",a\n\nb,b\n"x\r\ny\r\nz",c\nshort\nd,d,d\n"e"e,e\nlast,f\n'
    reading = read(data, "b.csv")
    assert [(row.place, row.content) for row in reading.rows] == [
        (2, "two\nlines"),
        (5, "b"),
        (6, "x\r\ny\r\nz"),
        (12, "last"),
    ]
    assert [(line.place, line.reason, line.raw) for line in reading.problems] == [
        (9, "1 cell where the header has 2", "short"),
        (10, "3 cells where the header has 2", "d,d,d"),
        (11, "not CSV: ',' expected after '\"'", '"e"e,e'),
    ]


def test_an_empty_csv_cell_is_missing(read: Any) -> None:
    row = read('text,label,task\n,"",\n', "b.csv").rows[0]
    assert (row.content, row.label, row.task) == (None, None, "default")


def test_a_nul_and_a_very_long_cell_survive_csv(read: Any) -> None:
    long = "x" * 300_000
    rows = read(f"text,label\na\0b,a\n{long},b\n", "b.csv").rows
    assert [row.content for row in rows] == ["a\0b", long]


def test_an_open_quote_is_refused_where_it_began_and_not_read_to_the_end(read: Any) -> None:
    data = 'text,label\nfine,a\n"open,b\n' + "more,c\n" * 500
    with pytest.raises(DataRejected, match=r"b\.csv, line 3 is longer than 1,000 bytes"):
        read(data, "b.csv", max_line_bytes=1000)
    assert read(data, "b.csv").problems[0].place == 3


def test_parquet_values_without_a_json_form_are_kept_but_never_become_text(read: Any) -> None:
    data = parquet(
        {"text": [b"raw", None], "label": [datetime(2026, 1, 2), None], "n": [0.5, None]}
    )
    first, second = read(data, "b.parquet").rows
    assert first.raw == {"text": {"bytes": "b'raw'"}, "label": first.label, "n": 0.5}
    assert first.label == {"datetime": "2026-01-02 00:00:00"}
    assert (second.place, second.content, second.label) == (2, None, None)


def test_parquet_nan_is_no_number_and_no_crash(read: Any) -> None:
    row = read(parquet({"text": ["a"], "label": [float("nan")]}), "b.parquet").rows[0]
    assert row.label == {"float": "nan"}


def test_parquet_text_that_is_not_utf8_is_refused_with_its_row(read: Any) -> None:
    binary = pyarrow.array([b"ok", b"caf\xe9"], pyarrow.binary())
    text = pyarrow.Array.from_buffers(pyarrow.string(), 2, binary.buffers())
    data = parquet(pyarrow.table({"text": text, "label": ["a", "b"]}))
    with pytest.raises(DataRejected, match="row 2 is not UTF-8: byte 0xe9 at position 4"):
        read(data, "b.parquet")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("b.jsonl", b"", "is empty"),
        ("b.csv", b"", "is empty"),
        ("b.parquet", b"", "is empty"),
        ("b.jsonl", b"\n \r\n", "has no rows"),
        ("b.jsonl", b"\xef\xbb\xbf", "has no rows"),
        ("b.csv", b"text,label\n", "has no rows"),
        ("b.parquet", parquet({"text": [], "label": []}), "has no rows"),
        (
            "b.jsonl",
            GOOD + b'{"text":"caf\xe9"}\n',
            "line 2 is not UTF-8: byte 0xe9 at position 13",
        ),
        ("b.csv", b"text,label\na,\xe9\n", "line 2 is not UTF-8: byte 0xe9 at position 3"),
        ("b.jsonl", GOOD.decode().encode("utf-16"), "UTF-16"),
        ("b.jsonl", pickle.dumps({"text": "a"}), "is a pickle"),
        ("b.parquet", pickle.dumps({"text": "a"}), "is a pickle"),
        ("b.csv", b"PK\x03\x04rest", "is a zip archive"),
        ("b.jsonl", parquet({"text": ["a"], "label": ["b"]}), "is a Parquet file"),
        ("b.parquet", parquet({"text": ["a"], "label": ["b"]})[:-9], "is not a readable Parquet"),
        ("b.parquet", GOOD, "is not a readable Parquet"),
        (
            "b.jsonl",
            b'{"words":"a","tag":"b"}\n',
            "no column 'text', 'label'; it has 'words', 'tag'",
        ),
        ("b.csv", b"text:label\na:b\n", "it has 'text:label'"),
        ("b.parquet", parquet({"text": ["a"]}), "no column 'label'; it has 'text'"),
        ("b.csv", b"text,label,text\na,b,c\n", "has these columns twice: 'text'"),
        ("b.csv", b'"text"x,label\na,b\n', "line 1: the header is unreadable"),
        ("b.xlsx", GOOD, "suffix '.xlsx'"),
        ("batch", GOOD, "suffix ''"),
    ],
)
def test_an_unusable_file_is_refused_by_name(
    read: Any, name: str, data: bytes, message: str
) -> None:
    with pytest.raises(DataRejected) as caught:
        read(data, name)
    assert message in caught.value.message
    assert name in caught.value.message
    assert caught.value.remedy.endswith(".")


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_any_usual_separator_is_read_and_gives_the_same_batch(read: Any, mark: str) -> None:
    lines = [["id", "text", "label"], ["1", 'said "a, b; c"\nand left', "pos"], ["2", "ü|x", ""]]
    tables = []
    for each in (",", mark):
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=each).writerows(lines)
        tables.append(read(buffer.getvalue(), "b.csv"))
    plain, other = tables
    assert (other.digest, other.columns) == (plain.digest, plain.columns)
    assert [(row.place, row.content, row.label) for row in other.rows] == [
        (2, 'said "a, b; c"\nand left', "pos"),
        (4, "ü|x", None),
    ]
    assert [row.raw for row in other.rows] == [row.raw for row in plain.rows]
    assert content_digest(other, CONTRACT, "t") == content_digest(plain, CONTRACT, "t")


def test_a_file_is_read_by_commas_wherever_that_finds_the_columns(read: Any) -> None:
    """A stored batch keeps its digest, whatever its other columns are called."""
    reading = read("text,label,a;b;c;d\ngood; day,pos,1\n", "b.csv")
    assert reading.columns == ("text", "label", "a;b;c;d")
    assert reading.rows[0].content == "good; day"


def test_the_separator_excel_writes_in_the_first_line_is_no_header(read: Any) -> None:
    reading = read("sep=;\r\ntext;label\r\ngood, day;pos\r\n", "b.csv")
    assert (reading.columns, reading.rows[0].place) == (("text", "label"), 3)
    assert reading.digest == read('{"text": "good, day", "label": "pos"}\n').digest


def test_missing_columns_are_named_by_the_separator_that_tells_most_apart(read: Any) -> None:
    with pytest.raises(DataRejected) as caught:
        read("body;category;when\na;b;c\n", "b.csv")
    assert "it has 'body', 'category', 'when'" in caught.value.message


def test_text_of_windows_is_told_with_the_letter_that_stands_there(read: Any) -> None:
    with pytest.raises(DataRejected) as caught:
        read("text;label\ngrüße;pos\n".encode("cp1252"), "b.csv")
    assert "line 2 is not UTF-8: byte 0xfc at position 3" in caught.value.message
    assert "'ü' in Windows-1252" in caught.value.message
    assert "iconv" in caught.value.remedy and "CSV UTF-8" in caught.value.remedy


def test_a_column_that_only_some_rows_lack_is_left_to_validation(read: Any) -> None:
    assert [row.label for row in read(GOOD + b'{"text":"x"}\n').rows] == ["pos", None]


def test_a_repeated_parquet_column_is_refused(read: Any) -> None:
    one = pyarrow.array(["a"])
    table = pyarrow.Table.from_arrays([one, one, one], names=["text", "label", "text"])
    with pytest.raises(DataRejected, match="has these columns twice: 'text'"):
        read(parquet(table), "b.parquet")


def test_what_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "folder.jsonl"
    folder.mkdir()
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    for path, message in [
        (folder, "is a folder"),
        (pipe, "is not a regular file"),
        (tmp_path / "gone.jsonl", "There is no file"),
        (tmp_path / ("x" * 300 + ".jsonl"), "cannot be opened: File name too long"),
    ]:
        with pytest.raises(DataRejected, match=message) as caught:
            read_batch(path, CONTRACT, "default")
        assert str(path) in caught.value.message


def test_a_hundred_megabyte_line_is_refused_without_being_loaded(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(GOOD)
        file.seek(100_000_000)
        file.write(b"x")
    tracemalloc.start()
    with pytest.raises(DataRejected, match="line 2 is longer than 1,000,000 bytes"):
        read_batch(path, DataSettings(max_line_bytes=1_000_000), "default")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_the_longest_legal_line_is_read(read: Any) -> None:
    limit = len(GOOD) - 1
    for end in (b"", b"\n", b"\r\n"):
        assert len(read(GOOD.strip() + end, max_line_bytes=limit).rows) == 1
    with pytest.raises(DataRejected, match="is longer than"):
        read(GOOD, max_line_bytes=limit - 1)


def test_more_rows_than_the_contract_allows_are_refused(read: Any) -> None:
    assert len(read(GOOD * 20, max_rows=20).rows) == 20
    with pytest.raises(DataRejected, match=r"more than 20 rows \(line 21\)"):
        read(GOOD * 21, max_rows=20)
    assert (
        len(read(parquet({"text": ["a"] * 20, "label": ["b"] * 20}), "b.parquet", max_rows=20).rows)
        == 20
    )
    with pytest.raises(DataRejected, match=r"more than 20 rows \(its footer says 21\)"):
        read(parquet({"text": ["a"] * 21, "label": ["b"] * 21}), "b.parquet", max_rows=20)


def test_recorded_digests_stay_what_they_are(read: Any) -> None:
    reading = read(
        '{"text":"good day","label":"pos","id":7}\n'
        '{"text":"bad day","label":"neg","task":"mail"}\n{"text":\n'
    )
    assert reading.digest == "23fdb8403c52a627d68dd3b9dc304bf32159b9a9bbae9e602ae964c7c977c515"
    content = content_digest(reading, CONTRACT, "t")
    assert content == "18f8f562159a791bc1d780268e699d67f109fda9f77568623416276fef209d3e"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(JSON_VALUES, JSON_VALUES), min_size=1, max_size=8), data=st.data())
def test_any_json_rows_are_read_back_and_their_order_never_counts(
    read: Any, rows: list[Any], data: st.DataObject
) -> None:
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    reading = read("\n".join(lines))
    assert not reading.problems
    assert [(row.content, row.label) for row in reading.rows] == rows
    random.Random(data.draw(st.integers(0, 9))).shuffle(lines)
    assert read("\n".join(lines)).digest == reading.digest


CELLS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_any_csv_cells_are_read_back(read: Any, rows: list[tuple[str, str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    reading = read(buffer.getvalue(), "b.csv")
    assert [(row.content, row.label) for row in reading.rows] == rows


def crafted(kind: pyarrow.DataType, values: list[int], bits: int) -> pyarrow.Array:
    """Return an array of raw values, also of such as Python has no form for."""
    plain = pyarrow.array(values, pyarrow.int32() if bits == 32 else pyarrow.int64())
    return pyarrow.Array.from_buffers(kind, len(values), plain.buffers())


FAR_DATES = crafted(pyarrow.date32(), [2_932_897, 0], 32)
ODD = pyarrow.timestamp("us", "Nowhere/Never")
COLUMNS: dict[str, tuple[pyarrow.Array, Any]] = {
    "a date of the year 10000": (FAR_DATES, {"date32[day]": "10000-01-01"}),
    "a date in milliseconds of the year 10000": (
        crafted(pyarrow.date64(), [253_402_300_800_000, 0], 64),
        {"date32[day]": "10000-01-01"},
    ),
    "dates in a list": (
        pyarrow.ListArray.from_arrays([0, 1, 2], FAR_DATES),
        [{"date32[day]": "10000-01-01"}],
    ),
    "a timestamp of the year 10000": (
        crafted(pyarrow.timestamp("us"), [253_402_300_800_000_000, 0], 64),
        {"timestamp[us]": "10000-01-01 00:00:00.000000"},
    ),
    "a timezone that nobody knows": (crafted(ODD, [0, 0], 64), None),
    "a duration": (pyarrow.array([1, 2], pyarrow.duration("s")), {"timedelta": "0:00:01"}),
    "a duration beyond Python's": (crafted(pyarrow.duration("s"), [2**62, 0], 64), None),
    "a time": (pyarrow.array([1, 2], pyarrow.time32("s")), {"time": "00:00:01"}),
    "a time in nanoseconds": (pyarrow.array([1, 2], pyarrow.time64("ns")), None),
    "a time of 100 hours": (crafted(pyarrow.time32("s"), [360_000, 0], 32), None),
    "a decimal": (pyarrow.array([Decimal("1.50"), None]), {"Decimal": "1.50"}),
    "a small float": (pyarrow.array([1.5, 2.0], pyarrow.float16()), 1.5),
    "a large integer": (pyarrow.array([2**64 - 1, 0], pyarrow.uint64()), 2**64 - 1),
    "bytes": (pyarrow.array([b"\xff", None]), {"bytes": "b'\\xff'"}),
    "bytes of one length": (pyarrow.array([b"ab", b"cd"], pyarrow.binary(2)), {"bytes": "b'ab'"}),
    "nothing": (pyarrow.nulls(2), None),
    "a dictionary": (pyarrow.array(["a", "b"]).dictionary_encode(), "a"),
    "long strings": (pyarrow.array(["a", "b"], pyarrow.large_string()), "a"),
    "string views": (pyarrow.array(["a", "b"], pyarrow.string_view()), "a"),
    "a struct": (pyarrow.array([{"x": [1], "y": None}, None]), {"x": [1], "y": None}),
    "a map": (
        pyarrow.array([[("k", 1)], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        [["k", 1]],
    ),
    "lists of one length": (
        pyarrow.array([[1, 2], [3, 4]], pyarrow.list_(pyarrow.int8(), 2)),
        None,
    ),
    "a list of lists": (pyarrow.array([[[1], []], None]), [[1], []]),
    "an extension": (pyarrow.array([b"0" * 16, None], pyarrow.uuid()), None),
    "JSON text": (pyarrow.array(["{}", "1"], pyarrow.json_()), "{}"),
    "a truth value": (pyarrow.array([True, False]), True),
}


@pytest.mark.parametrize(("column", "value"), COLUMNS.values(), ids=COLUMNS)
def test_every_type_of_parquet_column_gives_a_value_for_each_cell(
    read: Any, column: pyarrow.Array, value: Any
) -> None:
    table = pyarrow.table({"text": ["a", "b"], "label": ["x", "y"], "odd": column})
    first, second = read(parquet(table), "b.parquet").rows
    assert (first.content, second.content) == ("a", "b")
    if value is not None:
        assert first.raw["odd"] == value
    json.dumps([first.raw["odd"], second.raw["odd"]], allow_nan=False)


def test_a_refusal_names_what_people_know_the_file_by(tmp_path: Path) -> None:
    (tmp_path / "copy.jsonl").write_bytes(b"")
    with pytest.raises(DataRejected, match=r"^in/mail\.jsonl is empty"):
        read_batch(tmp_path / "copy.jsonl", CONTRACT, "default", name="in/mail.jsonl")


def test_a_very_long_suffix_is_cut_in_the_message(tmp_path: Path) -> None:
    path = tmp_path / ("b." + "x" * 230)
    path.write_bytes(GOOD)
    with pytest.raises(DataRejected, match=r"has the suffix '\.x{59}…', which") as caught:
        read_batch(path, CONTRACT, "default", name="b")
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ["b.jsonl", "b.csv", "b.parquet"])
def test_a_file_above_the_limit_is_refused_before_it_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(b"PAR1" if name == "b.parquet" else GOOD)
        file.truncate(2_000_001)
    small = DataSettings(max_file_megabytes=2)
    with pytest.raises(DataRejected, match=r"is larger than 2 MB on disk") as caught:
        read_batch(path, small, "default")
    assert "data.max_file_megabytes" in caught.value.remedy


def test_a_parquet_file_is_held_to_its_decoded_size(read: Any) -> None:
    many = {"text": ["x" * 900] * 3000, "label": ["y"] * 3000}
    assert len(read(parquet(many), "b.parquet").rows) == 3000
    with pytest.raises(DataRejected, match=r"larger than 2 MB when decoded \(row 2"):
        read(parquet(many), "b.parquet", max_file_megabytes=2)
    with pytest.raises(DataRejected, match=r"decodes to more than 16,000,000 .* bomb"):
        read(parquet({"text": ["x" * 9000] * 3000, "label": ["y"] * 3000}), "b.parquet")


def test_a_parquet_cell_and_a_parquet_row_are_held_to_the_limit_of_a_line(read: Any) -> None:
    cell = {"text": ["a", "x" * 1001], "label": ["b", "c"]}
    row = {"text": ["a", "x" * 600], "label": ["b", "y" * 600]}
    for columns in (cell, row):
        with pytest.raises(DataRejected, match="row 2 is longer than 1,000 bytes"):
            read(parquet(columns), "b.parquet", max_line_bytes=1000)


@pytest.mark.parametrize("name", ["b.jsonl", "b.csv", "b.parquet"])
def test_a_hundred_thousand_columns_are_refused(read: Any, name: str) -> None:
    names = ["text", "label", *(f"c{i}" for i in range(100_000))]
    data: dict[str, bytes | str] = {
        "b.jsonl": "".join(f'{{"text":"a","label":"b","c{i}":0}}\n' for i in range(10_001)),
        "b.csv": ",".join(names) + "\n",
    }
    if name == "b.parquet":
        data[name] = parquet(pyarrow.table({each: ["a"] for each in names[:10_001]}))
    with pytest.raises(DataRejected, match="more than 10,000 columns"):
        read(data[name], name)


def test_nested_texts_are_bounded_over_the_whole_file(read: Any) -> None:
    line = '{"text":[' + "{}," * 200_000 + '{}],"label":"a"}\n'
    assert len(read(line * 4).rows) == 4
    with pytest.raises(DataRejected, match="line 5: texts and labels contain more than 1,000,000"):
        read(line * 5)


def test_what_a_parser_throws_is_a_refusal_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.jsonl").write_bytes(GOOD)
    for fault in (MemoryError(), RecursionError("deep"), OverflowError("far"), OSError(5, "EIO")):
        monkeypatch.setattr("components.identity.Identity.item", _raiser(fault))
        with pytest.raises(DataRejected, match=rf"b\.jsonl cannot be read: {type(fault).__name__}"):
            read_batch(tmp_path / "b.jsonl", CONTRACT, "default")
    monkeypatch.setattr("components.identity.Identity.item", _raiser(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        read_batch(tmp_path / "b.jsonl", CONTRACT, "default")


def _raiser(fault: BaseException) -> Any:
    def throw(*_: Any) -> Any:
        raise fault

    return throw


def test_a_parquet_file_is_read_from_any_folder_and_under_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9 #1 'x'.parquet")
    path.write_bytes(parquet({"text": ["a"], "label": ["b"]}))
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert len(read_batch(Path(path.name), CONTRACT, "default").rows) == 1


def test_a_decoder_that_crashes_is_the_file_and_one_that_was_killed_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, decoder = tmp_path / "b.parquet", tmp_path / "decoder.py"
    path.write_bytes(parquet({"text": ["a"], "label": ["b"]}))
    monkeypatch.setattr("components.data.parquet_reader.DECODER", decoder)
    for how, kind, message in [
        ("SIGSEGV", DataRejected, r"failed after row 0 \(signal 11\)"),
        ("SIGXCPU", DataRejected, "it took too long"),
        ("SIGTERM", Retryable, "was killed after row"),
        ("SIGKILL", Retryable, "was killed after row"),
    ]:
        decoder.write_text(f"import os, signal; os.kill(os.getpid(), signal.{how})")
        with pytest.raises(kind, match=message):
            read_batch(path, CONTRACT, "default")


def test_no_decoder_outlives_its_reader(read: Any) -> None:
    import psutil

    many = pyarrow.array(["a"] * 100_000)
    with pytest.raises(DataRejected, match="twice"):
        read(parquet(pyarrow.Table.from_arrays([many] * 3, ["text", "label", "text"])), "b.parquet")
    assert not [child for child in psutil.Process().children() if "decoder" in str(child.cmdline())]
