"""Quarantine: nothing is lost, and what is released reads back the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.data.quarantine import (
    Entry,
    drop_prepared,
    entries,
    marks,
    prepare_batch,
    prepare_rows,
    publish,
    read_entry,
    read_rows,
    unpublished,
    write_batch_file,
)
from components.data.readers import read_batch
from components.data.validation import Rejected, validate
from components.errors import ConfigError, Corrupted
from components.identity import PLAIN
from components.settings import DataSettings

BATCH, OTHER = "a" * 64, "b" * 64


def write_rows(folder: Path, batch: str, source: str, rejected: list[Rejected]) -> Entry | None:
    prepare_rows(folder, batch, source, rejected)
    publish(folder, batch)
    return read_entry(folder, batch) if rejected else None


def write_batch(folder: Path, batch: str, source: str, reason: str, stored_path: str) -> None:
    prepare_batch(folder, batch, source, reason, stored_path)
    publish(folder, batch)


ROWS = [
    Rejected(3, "0" * 64, ("missing label",), {"text": "half \ud83d\0", "id": 7}, "mail"),
    Rejected(5, "1" * 64, ("not JSON: cut short",), '{"text":'),
    Rejected(
        9, "2" * 64, ("unknown label 'x'", "text too short"), {"text": "a", "label": "x"}, "t"
    ),
]


def test_rows_come_back_as_they_were_read(tmp_path: Path) -> None:
    written = write_rows(tmp_path, BATCH, "in/mail.csv", ROWS)
    [entry] = entries(tmp_path)
    assert entry == written == read_entry(tmp_path, BATCH)
    assert (entry.id, entry.batch, entry.source) == (BATCH, BATCH, "in/mail.csv")
    assert (entry.kind, entry.row_count, entry.stored_path) == ("rows", 3, None)
    assert entry.reason == "missing label: 1; not JSON: 1; unknown label: 1"
    assert list(read_rows(entry)) == ROWS


def test_the_files_are_json_that_any_tool_reads(tmp_path: Path) -> None:
    write_rows(tmp_path, BATCH, "mail.csv", ROWS)
    lines = (tmp_path / BATCH / "rows.jsonl").read_text(encoding="ascii").splitlines()
    assert [json.loads(line)["place"] for line in lines] == [3, 5, 9]
    assert json.loads((tmp_path / BATCH / "about.json").read_text())["kind"] == "rows"


def test_a_whole_batch_keeps_its_reason_and_the_rows_kept_before(tmp_path: Path) -> None:
    write_rows(tmp_path, BATCH, "mail.csv", ROWS)
    write_batch(tmp_path, BATCH, "mail.csv", "3 of 9 rows are broken.", "data/batches/x.csv")
    write_batch(tmp_path, OTHER, "web.csv", "one label", "data/batches/y.csv")
    first, second = entries(tmp_path)
    assert (first.kind, first.reason) == ("batch", "3 of 9 rows are broken.")
    assert (first.stored_path, len(list(read_rows(first)))) == ("data/batches/x.csv", 3)
    assert (second.batch, second.row_count, list(read_rows(second))) == (OTHER, 0, [])


def test_writing_twice_is_writing_once(tmp_path: Path) -> None:
    first = write_rows(tmp_path, BATCH, "mail.csv", ROWS)
    assert write_rows(tmp_path, BATCH, "mail.csv", ROWS) == first
    assert len(list(tmp_path.rglob("*.*"))) == 2


def test_what_is_prepared_shows_once_it_is_published(tmp_path: Path) -> None:
    before = write_rows(tmp_path, BATCH, "mail.csv", ROWS)
    written = marks(tmp_path, BATCH)
    prepare_batch(tmp_path, BATCH, "mail.csv", "one label", "data/batches/x.csv")
    prepare_batch(tmp_path, OTHER, "web.csv", "one label", "data/batches/y.csv")
    assert entries(tmp_path) == [before] and unpublished(tmp_path) == [BATCH, OTHER]
    assert marks(tmp_path, BATCH)["rows.jsonl"] == written["rows.jsonl"]
    assert marks(tmp_path, BATCH)["about.json"] != written["about.json"]
    drop_prepared(tmp_path, BATCH)
    publish(tmp_path, OTHER)
    assert marks(tmp_path, BATCH) == written and unpublished(tmp_path) == []
    assert [entry.batch for entry in entries(tmp_path)] == [BATCH, OTHER]


def test_no_rejected_rows_make_no_entry(tmp_path: Path) -> None:
    assert write_rows(tmp_path, BATCH, "mail.csv", []) is None
    assert entries(tmp_path) == entries(tmp_path / "absent") == []


def test_an_unfinished_entry_is_not_listed(tmp_path: Path) -> None:
    write_rows(tmp_path, BATCH, "mail.csv", ROWS)
    (tmp_path / BATCH / "about.json").unlink()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "about.json").write_text("{}")
    assert entries(tmp_path) == []


@pytest.mark.parametrize("id", [OTHER, "nothing", "", f"../quarantine/{BATCH}"])
def test_an_unknown_entry_is_named(tmp_path: Path, id: str) -> None:
    write_rows(tmp_path / "quarantine", BATCH, "mail.csv", ROWS)
    with pytest.raises(ConfigError) as caught:
        read_entry(tmp_path / "quarantine", id)
    assert repr(id) in caught.value.message


@pytest.mark.parametrize("content", ["", "{", "[]", '{"batch": "x"}', '{"place": 1}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    entry = write_rows(tmp_path, BATCH, "mail.csv", ROWS)
    assert entry is not None
    (tmp_path / BATCH / "rows.jsonl").write_text(content or "\n")
    with pytest.raises(Corrupted, match=r"rows\.jsonl cannot be read"):
        list(read_rows(entry))
    (tmp_path / BATCH / "about.json").write_text(content)
    with pytest.raises(Corrupted, match=r"about\.json cannot be read"):
        entries(tmp_path)


def test_released_rows_read_back_with_the_same_values_and_tasks(tmp_path: Path) -> None:
    entry = write_rows(tmp_path / "q", BATCH, "mail.csv", ROWS)
    assert entry is not None
    target = tmp_path / "released.jsonl"
    write_batch_file(read_rows(entry), target)
    reading = read_batch(target, DataSettings(), "elsewhere")
    assert [row.raw for row in reading.rows] == [
        {**ROWS[0].raw, "task": "mail"},
        {**ROWS[2].raw, "task": "t"},
    ]
    assert [row.task for row in reading.rows] == ["mail", "t"]
    assert [problem.raw for problem in reading.problems] == ['{"text":']


def test_an_unparsed_line_with_line_breaks_stays_one_line(tmp_path: Path) -> None:
    raw = 'a,"two\nlines"x,b'
    entry = write_rows(tmp_path / "q", BATCH, "m", [Rejected(2, "0" * 64, ("not CSV",), raw)])
    assert entry is not None
    write_batch_file(read_rows(entry), tmp_path / "released.jsonl")
    [problem] = read_batch(tmp_path / "released.jsonl", DataSettings(), "t").problems
    assert json.loads(problem.raw) == raw


def test_a_row_released_under_a_wider_contract_is_accepted(tmp_path: Path) -> None:
    source = tmp_path / "mail.csv"
    source.write_text('message,tag\n"hello, you",maybe\nbye,pos\n')
    strict = DataSettings(text_column="message", label_column="tag", labels=["pos", "neg"])
    checked = validate(read_batch(source, strict, "mail"), strict, frozenset())
    entry = write_rows(tmp_path / "q", BATCH, source.name, checked.rejected)
    assert entry is not None
    write_batch_file(read_rows(entry), tmp_path / "released.jsonl", strict.task_column)
    wider = strict.model_copy(update={"labels": ["pos", "neg", "maybe"]})
    again = validate(read_batch(tmp_path / "released.jsonl", wider, "default"), wider, frozenset())
    assert [(item.text, item.label, item.task) for item in again.accepted] == [
        ("hello, you", "maybe", "mail")
    ]


VALUES = st.none() | st.integers() | st.text(st.characters()) | st.lists(st.text(), max_size=2)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    raws=st.lists(st.fixed_dictionaries({"text": VALUES, "label": VALUES}), min_size=1, max_size=4)
)
def test_any_values_survive_quarantine_and_release(tmp_path: Path, raws: list[Any]) -> None:
    rows = [
        Rejected(place, PLAIN.item(raw["text"], raw["label"]), ("bad",), raw, "mail")
        for place, raw in enumerate(raws, start=1)
    ]
    entry = write_rows(tmp_path, BATCH, "mail.jsonl", rows)
    assert entry is not None
    assert list(read_rows(entry)) == rows
    write_batch_file(read_rows(entry), tmp_path / "released.jsonl")
    back = read_batch(tmp_path / "released.jsonl", DataSettings(), "default")
    assert [(row.digest, row.raw) for row in back.rows] == [
        (row.digest, {**row.raw, "task": "mail"}) for row in rows
    ]


def test_a_released_row_is_no_longer_than_it_arrived(tmp_path: Path) -> None:
    source = tmp_path / "mail.jsonl"
    source.write_text('{"label":"a","task":"t","text":"' + "ж" * 400 + '"}\n', "utf-8")
    strict = DataSettings(max_text_chars=10, max_line_bytes=source.stat().st_size)
    checked = validate(read_batch(source, strict, "t"), strict, frozenset())
    entry = write_rows(tmp_path / "q", BATCH, source.name, checked.rejected)
    assert entry is not None
    write_batch_file(read_rows(entry), tmp_path / "released.jsonl")
    assert len(read_batch(tmp_path / "released.jsonl", strict, "t").rows) == 1
