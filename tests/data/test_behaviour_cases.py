"""Files of behaviour cases: wholly sound, or refused with the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.data.behaviour_cases import read_cases
from components.digest import bytes_digest
from components.errors import ConfigError

GOOD = {"text": "I want my money back", "label": "refund"}


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "cases.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_cases_keep_their_lines_and_reasons(tmp_path: Path) -> None:
    told = {"text": "hello", "label": "greeting", "task": "mail", "note": "the demo"}
    path = write(tmp_path, GOOD, "", told, "")
    found = read_cases(path)
    assert [(case.line, case.item.task, case.note) for case in found.cases] == [
        (1, "default", ""),
        (3, "mail", "the demo"),
    ]
    assert [item.label for item in found.items] == ["refund", "greeting"]
    assert found.digest == bytes_digest(path.read_bytes())
    assert found.near == {item.near for item in found.items}


def test_a_label_is_compared_in_its_canonical_form(tmp_path: Path) -> None:
    [case] = read_cases(write(tmp_path, {"text": "x", "label": "cafe\u0301"})).cases
    assert case.item.label == "caf\xe9"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "line 2: this line is not JSON"),
        ("[1]", "line 2: this line is not a JSON object"),
        ({"text": "x"}, "has no label"),
        ({"text": " ", "label": "a"}, "has no text"),
        ({"text": 3, "label": "a"}, "has no text"),
        ({"text": "x", "label": "a", "note": 7}, "has a note that is not printable text"),
        ({"text": "x", "label": "a", "note": "\x1b[31m"}, "has a note that is not printable text"),
        ({"text": "x", "label": "a", "task": ""}, "has a task that is not printable text"),
        ({"text": "x", "label": "a", "lable": "b"}, "has the unknown key 'lable'"),
        ({**GOOD, "label": "other"}, "line 2: this line repeats the text of line 1"),
        ({"text": "i WANT my money back!", "label": "refund"}, "repeats the text of line 1"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_line_that_is_no_case_is_named_with_the_remedy(
    tmp_path: Path, row: Any, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_cases(write(tmp_path, GOOD, row))
    assert said in caught.value.message and str(tmp_path) in caught.value.message
    assert caught.value.remedy.startswith("A case is")


def test_a_file_that_is_missing_empty_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gate\.checks\.behaviour\.file"):
        read_cases(tmp_path / "absent.jsonl")
    with pytest.raises(ConfigError, match="is empty"):
        read_cases(write(tmp_path, "", " "))
    (tmp_path / "cases.jsonl").write_bytes(b'{"text": "caf\xe9", "label": "a"}')
    with pytest.raises(ConfigError, match="cannot be read"):
        read_cases(tmp_path / "cases.jsonl")
