"""How honest the candidate is about its doubts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from components.gate import Answers, ExamResult, Outcome
from components.gate.policies import Calibration, Groups
from tests.gate.extra_checks.given import answers, decide, exam, found, rules

RULES = rules(calibration=Calibration("reject"))


def honest(seed: int, items: int = 600) -> Answers:
    """Return answers that are right as often as their confidences say."""
    random = np.random.default_rng(seed)
    sure = random.uniform(0.5, 0.98, items).round(4)
    return answers((random.random(items) < sure).tolist(), sure.tolist())


def surer(one: Answers) -> Answers:
    """Return the same answers, given with next to no doubt."""
    return answers(one.correct, [0.99] * len(one.items))


def verdicts(sat: ExamResult) -> dict[str, Outcome]:
    return {v.group: v.outcome for v in found(decide(sat, RULES), "calibration")}


def test_the_same_doubts_pass_both_scores() -> None:
    one = honest(0)
    both = {"Brier score": Outcome.PASS, "calibration error": Outcome.PASS}
    assert verdicts(exam(one, one)) == both


def test_a_candidate_that_became_too_sure_fails_though_its_answers_are_the_same() -> None:
    one = honest(0)
    decision = decide(exam(one, surer(one)), RULES)
    both = {"Brier score": Outcome.FAIL, "calibration error": Outcome.FAIL}
    assert {v.group: v.outcome for v in found(decision, "calibration")} == both
    assert [v.outcome for v in found(decision, "forgetting")] == [Outcome.PASS]
    assert "against the champion, a loss of" in decision.headline


def test_a_candidate_that_became_too_sure_fails_among_two_hundred_checks() -> None:
    """Fault: 400 draws have no p-value below 1/401, which no family above 20 takes for shown."""
    one = honest(0, 2400)
    kinds = {item: f"k{place % 200:03d}" for place, item in enumerate(one.items)}
    both = rules(classes=Groups("hold", min_items=5), calibration=Calibration("reject"))
    decision = decide(exam(one, surer(one), labels=kinds), both)
    assert {v.outcome for v in found(decision, "calibration")} == {Outcome.FAIL}


def test_a_growth_that_is_real_but_may_be_within_the_margin_is_open() -> None:
    one = honest(0)
    wider = rules(calibration=Calibration("reject", 6.0, 25.0))
    verdicts = found(decide(exam(one, surer(one)), wider), "calibration")
    assert all(v.lower_points is not None and v.lower_points > 0 for v in verdicts)
    assert {v.outcome for v in verdicts} == {Outcome.INCONCLUSIVE}


def test_one_that_became_less_too_sure_passes() -> None:
    one = honest(0)
    assert set(verdicts(exam(surer(one), one)).values()) == {Outcome.PASS}


@pytest.mark.parametrize(
    "broken",
    [
        {"brier": None, "confidence": None},
        {"brier": [], "confidence": []},
        {"brier": [None] * 600, "confidence": [None] * 600},
        {"brier": [float("nan")] * 600, "confidence": [float("nan")] * 600},
        {"brier": [1.5] * 600, "confidence": [-0.1] * 600},
        {"correct": [None] * 600},
    ],
)
@pytest.mark.parametrize("who", ["champion", "candidate"])
def test_scores_that_are_not_whole_are_missing(broken: dict[str, Any], who: str) -> None:
    whole = exam(honest(0), honest(0))
    part = replace(honest(0), **broken)
    assert set(verdicts(replace(whole, **{who: part})).values()) == {Outcome.MISSING}
