"""Columns by other names: one batch whatever they are called, and a refusal that can be pasted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.data.readers import Reading, content_digest, read_batch
from components.data.validation import validate
from components.errors import DataRejected
from components.settings import DataSettings, parse_settings

OURS = DataSettings(slice_columns=["country"])
BOTH = OURS.model_copy(
    update={"columns": {"body": "text", "kind": "label", "team": "task", "land": "country"}}
)
ROWS = [
    {"text": f"ticket {n}: the printer is on fire", "label": "ab"[n % 2], "task": "desk"}
    for n in range(30)
]
THEIRS = [
    {"body": row["text"], "kind": row["label"], "team": row["task"], "land": "de"} for row in ROWS
]


def read(path: Path, rows: list[dict[str, Any]], contract: DataSettings) -> Reading:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_batch(path, contract, "default", "tickets.jsonl")


def test_columns_by_other_names_are_the_same_batch(tmp_path: Path) -> None:
    plain = read(tmp_path / "a.jsonl", [{**row, "country": "de"} for row in ROWS], OURS)
    other = read(tmp_path / "b.jsonl", THEIRS, BOTH)
    assert other.digest == plain.digest
    assert content_digest(other, BOTH, "x") == content_digest(plain, OURS, "x")
    assert {row.task for row in other.rows} == {"desk"}
    found = validate(other, BOTH, frozenset())
    assert (found.refused, found.rejected) == (None, ())
    assert found.accepted[0].slices == (("country", "de"),)
    assert found.accepted == validate(plain, OURS, frozenset()).accepted


def test_a_column_of_the_contract_is_taken_before_one_that_is_read_as_it(tmp_path: Path) -> None:
    [row] = read(tmp_path / "a.jsonl", [{"text": "a", "body": "b", "label": "c"}], BOTH).rows
    assert row.content == "a"


def test_a_semicolon_table_with_other_names_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("nr;body;kind\n1;so, so;a\n")
    [row] = read_batch(path, BOTH, "default").rows
    assert (row.content, row.label) == ("so, so", "a")


@pytest.mark.parametrize("names", [("body", "kind"), ("Nachricht (neu)", "yes")])
def test_the_line_that_a_refusal_gives_makes_the_file_readable(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    text, label = names
    rows = [
        {"id": str(n), text: row["text"], label: row["label"], "x": "same"}
        for n, row in enumerate(ROWS)
    ]
    with pytest.raises(DataRejected) as caught:
        read(tmp_path / "a.jsonl", rows, OURS)
    assert "tickets.jsonl has no column 'text', 'label'; it has 'id'," in caught.value.message
    pasted = re.search(r"`(columns: .*)`", caught.value.remedy)
    assert pasted is not None and "params.yaml" in caught.value.remedy
    contract = parse_settings({"data": yaml.safe_load(pasted[1])}, "here").data
    assert contract.columns == {text: "text", label: "label"}
    assert len(read(tmp_path / "a.jsonl", rows, contract).rows) == 30


def test_columns_that_lead_nowhere_are_a_wrong_setting() -> None:
    with pytest.raises(ValueError, match="not to txt"):
        DataSettings(columns={"body": "txt"})


def test_columns_inside_another_are_named_with_the_command_that_moves_them_out(
    tmp_path: Path,
) -> None:
    for row in ({"my data": ROWS[0]}, {"my data": {"text": "a"}, "label": "b"}):
        with pytest.raises(DataRejected, match="These stand inside 'my data'") as caught:
            read(tmp_path / "a.jsonl", [{"my data": None}, row], OURS)
        command = """`jq -c '. + .["my data"]' tickets.jsonl > NEW.jsonl`"""
        assert command in caught.value.remedy
