"""Tables that people correct: what was written comes back, and no cell is a formula."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.exported_table import FORMULA, ID, plain_cell, safe_cell, write_table
from components.data.readers import read_batch
from components.errors import ConfigError
from components.settings import Settings

CELLS = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tindented",
    "\rreturned",
    "'=quoted",
    "''=twice",
    "'plain",
    'he said "no", then; left',
    "two\nlines\r\nand three",
    "ünïcode 日本 \U0001f600",
    "'",
    "- bullet\n- bullet",
]


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\nab"), max_size=6))
def test_a_cell_comes_back_and_begins_no_formula(cell: str) -> None:
    safe = safe_cell(cell)
    assert plain_cell(safe) == cell and not safe.startswith(FORMULA)


def test_a_mark_that_a_spreadsheet_dropped_changes_nothing() -> None:
    assert plain_cell("=cmd") == "=cmd" and plain_cell("'plain") == "'plain"


def test_a_table_is_read_as_the_rows_that_were_written(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    columns = (ID, "ratchet_why", "text", "label", "=odd")
    write_table(file, columns, [(str(n), "why", cell, "x", cell) for n, cell in enumerate(CELLS)])
    reading = read_batch(file, Settings().data, "mood")
    assert [row.content for row in reading.rows] == CELLS and not reading.problems
    assert all(dict(row.raw) == {"text": c, "label": "x", "=odd": c}
               for row, c in zip(reading.rows, CELLS, strict=True))  # fmt: skip
    with file.open(encoding="utf-8-sig", newline="") as source:
        assert not any(cell.startswith(FORMULA) for row in csv.reader(source) for cell in row)


def test_the_same_file_without_the_mark_is_read_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("text,label,ratchet_why\n'=a,x,because\n", encoding="utf-8")
    [row] = read_batch(file, Settings().data, "mood").rows
    assert row.content == "'=a" and dict(row.raw)["ratchet_why"] == "because"


def test_a_table_is_never_written_over_another_file(tmp_path: Path) -> None:
    file = tmp_path / "there.csv"
    file.write_text("corrections")
    for path in (file, tmp_path / "table.xlsx"):
        with pytest.raises(ConfigError):
            write_table(path, ("a",), [])
    assert file.read_text() == "corrections"
