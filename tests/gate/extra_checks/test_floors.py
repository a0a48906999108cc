"""Floors: good enough, whatever came before."""

from __future__ import annotations

from typing import Any

import pytest

from components.gate import Examination, ExamResult, NewTask, Outcome, judge
from components.gate.policies import Floors
from tests.gate.extra_checks.given import answers, decide, exam, found, rules

RULES = rules(floors=Floors("reject", {"tweets": 80.0}))


def sat(right: int, items: int, **more: Any) -> ExamResult:
    one = answers([place < right for place in range(items)])
    return exam(one, one, **more)


@pytest.mark.parametrize(
    ("right", "outcome"),
    [(430, Outcome.PASS), (405, Outcome.INCONCLUSIVE), (370, Outcome.FAIL)],
)
def test_the_accuracy_is_held_against_the_floor(right: int, outcome: Outcome) -> None:
    [verdict] = found(decide(sat(right, 500), RULES), "floors")
    assert verdict.outcome is outcome
    assert verdict.effect_points == pytest.approx(80 - right / 5)
    assert "its floor of 80 %" in verdict.sentence


def test_a_floor_of_a_task_that_nobody_looked_at_is_missing() -> None:
    for policy, action in (("reject", "reject"), ("hold", "hold"), ("note", "promote")):
        decision = decide(sat(370, 500), rules(floors=Floors(policy, {"mail": 99.0})))
        [verdict] = found(decision, "floors")
        assert (verdict.task, verdict.outcome) == ("mail", Outcome.MISSING)
        assert decision.action == action
    assert "gate.checks.floors.percent" in verdict.sentence


def test_an_exam_of_a_task_that_is_new_is_held_to_its_floor_as_well() -> None:
    new = ExamResult("tweets", "tweets", None, answers([False] * 200), None, known=False)
    part = NewTask("tweets", answers([True] * 200), None, 0.5, known=False)
    assert judge(Examination([new], [part]), RULES).action == "reject"


def test_a_task_without_an_exam_is_held_to_it_on_the_rows_of_the_batch() -> None:
    part = NewTask("tweets", answers([place < 140 for place in range(200)]), None, 0.5, known=False)
    [verdict] = found(judge(Examination([], [part]), RULES), "floors")
    assert (verdict.outcome, verdict.n) == (Outcome.FAIL, 200)
