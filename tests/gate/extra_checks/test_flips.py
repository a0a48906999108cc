"""Answers that broke."""

from __future__ import annotations

import pytest

from components.gate import Outcome
from components.gate.policies import NegativeFlips
from tests.gate.extra_checks.given import answers, decide, exam, found, rules

RULES = rules(negative_flips=NegativeFlips("reject", limit_points=5.0))


@pytest.mark.parametrize(
    ("broke", "items", "outcome"),
    [(10, 500, Outcome.PASS), (25, 500, Outcome.INCONCLUSIVE), (60, 500, Outcome.FAIL)],
)
def test_the_share_that_broke_is_held_against_the_limit(
    broke: int, items: int, outcome: Outcome
) -> None:
    after = [place >= broke for place in range(items)]
    [verdict] = found(
        decide(exam(answers([True] * items), answers(after)), RULES), "negative_flips"
    )
    assert verdict.outcome is outcome
    assert verdict.effect_points == pytest.approx(100 * broke / items)


def test_gains_elsewhere_do_not_make_up_for_what_broke() -> None:
    before = [place < 400 for place in range(800)]
    after = [place >= 80 for place in range(800)]
    decision = decide(exam(answers(before), answers(after)), RULES)
    assert (
        decision.action == "reject"
        and "80 of 800 answers changed from right to wrong" in decision.headline
    )


def test_few_items_can_not_tell() -> None:
    one = answers([True] * 20)
    [verdict] = found(decide(exam(one, one), RULES), "negative_flips")
    assert verdict.outcome is Outcome.INCONCLUSIVE and "too few items" in verdict.sentence
