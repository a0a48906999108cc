"""Words around numbers: one exam, two exams, and nothing that looks like a form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from components.cli.explanation import _row
from components.cli.gate import _show_replay
from components.cli.outcomes import show_rollback
from components.cli.output import counted
from components.gate import Verdict
from tests.command import REPOSITORY, ratchet


def test_no_text_has_a_plural_in_brackets() -> None:
    texts = [
        path
        for room in ("components", "flows", "docs")
        for kind in ("*.py", "*.j2", "*.md", "*.yaml")
        for path in (REPOSITORY / room).rglob(kind)
    ]
    assert [path for path in texts if re.search(r"[a-z]\(e?s\)[^(]", path.read_text())] == []


def test_the_page_of_commands_shows_both_ways_to_ask_for_help() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text()
    assert page.count("  -h, --help ") == page.count("```text") > 20


def test_one_is_singular() -> None:
    assert [counted(n, "exam") for n in (0, 1, 1200)] == ["0 exams", "1 exam", "1,200 exams"]


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ({"versions": [4], "tasks": ["other"], "labels": []}, "cost: version 4; task other"),
        ({"versions": [4, 5], "tasks": [], "labels": ["a"]}, "cost: versions 4, 5; label a"),
        ({"versions": [], "tasks": [], "labels": []}, "cost: nothing"),
        (
            {"versions": [4], "tasks": [], "labels": [], "returned": {"b" * 64: 4}},
            "batch bbbbbbbbbbbb, taken out by version 4, is in the champion again: "
            "`ratchet forget bbbbbbbbbbbb --reason TEXT`",
        ),
    ],
)
def test_what_a_rollback_costs(
    capsys: pytest.CaptureFixture[str], cost: dict[str, Any], said: str
) -> None:
    about = {"from_version": 4, "to_version": 3, "reason": "worse", "offending_batch": None}
    show_rollback(about | {"cost": cost})
    assert f"  {said}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("count", "said"), [(1, "a: the verdict matches."), (2, "a: all 2 verdicts match.")]
)
def test_what_a_replay_found(capsys: pytest.CaptureFixture[str], count: int, said: str) -> None:
    _show_replay({"headline": "Promote.", "evidence": "a", "verdicts": [{}] * count})
    assert capsys.readouterr().out.endswith(f"{said}\n")


@pytest.mark.parametrize(
    ("worse", "better", "shown"), [(534, 14, "534/14"), (534, None, "534"), (None, None, "")]
)
def test_a_count_without_its_counterpart_has_no_slash(
    worse: int | None, better: int | None, shown: str
) -> None:
    numbers = dict.fromkeys(Verdict.__dataclass_fields__)
    facts = {"check": "forgetting", "exam": "mood", "task": "mood", "outcome": "PASS"}
    verdict = numbers | facts | {"right_to_wrong": worse, "wrong_to_right": better}
    assert _row(verdict)[7] == shown


def test_frozen_layers_are_counted_in_words_and_the_list_of_exams_leads_on(grown: Path) -> None:
    assert ratchet(grown, "holdout", "list").out.endswith(
        "next: ratchet exam list (which of them decide)\n"
    )
    explained = ratchet(grown, "version", "explain", "1", "--full").out
    assert "computed once per text: the lowest layer" in explained
