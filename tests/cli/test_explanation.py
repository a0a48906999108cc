"""What `version explain` prints of its checks: what decided, in full; what passed, in short."""

from __future__ import annotations

from typing import Any

import pytest

from components.cli.explanation import show_explanation
from tests.report.test_batch_report import verdict

LEARNED = (
    "the candidate answers 1 of 1 new items correctly, 100 % (at least 4 %); better than that."
)


def learned(subject: str, upper: float, items: int) -> dict[str, Any]:
    return verdict(
        "learned",
        "shop",
        "PASS",
        exam="",
        sentence=f"{subject}: {LEARNED}",
        effect_points=-97.2,
        lower_points=-97.2,
        upper_points=upper,
        margin_points=0.0,
        n=items,
        right_to_wrong=None,
    )


def checks(capsys: pytest.CaptureFixture[str], *verdicts: dict[str, Any]) -> list[str]:
    """Return the lines below "Checks"."""
    texts = ("title", "headline", "why", "batch", "origin", "report")
    lists = ("causes", "warnings", "next", "later", "drift", "doubted")
    value = dict.fromkeys(texts, "") | {name: [] for name in lists} | {"rows": {}}
    show_explanation(
        value | {"version": 6, "parent": 5, "status": "rejected", "verdicts": verdicts}, False
    )
    lines = capsys.readouterr().out.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("Checks"))
    return [" ".join(line.split()) for line in lines[start + 1 :]]


def test_what_was_learned_is_one_line_with_the_range_of_the_least_sure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sure = learned("shop, 30 new labels together", -87.0, 30)
    lines = checks(capsys, sure, *(learned(f"shop, label {name}", -1.2, 1) for name in "abc"))

    assert lines[0].startswith("PASS shop, label a, the batch's own rows, above guessing: +97.2 ")
    assert lines[0].endswith("(+1.2 to +97.2), 1 item")
    assert lines[1] == "and 3 more learned, none of them less sure"
    assert "PASS" not in "".join(lines[1:])


def test_what_decided_has_a_line_whichever_check_it_was_and_stands_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    label = verdict("classes", group="label printer", consequence="reject")
    held = verdict("classes", outcome="INCONCLUSIVE", group="label scanner", consequence="hold")
    noted = verdict("calibration", consequence="note")
    lines = checks(capsys, verdict(outcome="PASS"), held, noted, label)

    assert lines[0].startswith("FAIL films, label printer: ")
    assert lines[1].startswith("INCONCLUSIVE films, label scanner: ")
    assert lines[2].startswith("PASS films: ")
    assert lines[3] == "1 more: 1 FAIL, noted only"


def test_what_is_only_noted_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lines = checks(capsys, verdict(outcome="INCONCLUSIVE", consequence="note"))
    assert lines[0].startswith("INCONCLUSIVE films: ") and lines[0].endswith(", noted only")
