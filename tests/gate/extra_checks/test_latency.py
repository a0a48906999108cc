"""What an answer takes, against the champion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.gate import Outcome
from components.gate.extra_checks.latency import ratio_bounds
from components.gate.policies import Latency
from components.gate.verdicts import Timing
from tests.gate.extra_checks.given import answers, decide, exam, found, rules

ONE = answers([True] * 200)
RULES = rules(latency=Latency("reject", max_ratio=1.5))


def times(ratio: float, noise: float, texts: int = 40) -> Timing:
    random = np.random.default_rng(5)
    champion = random.uniform(5, 9, texts)
    candidate = champion * ratio * np.exp(random.normal(0, noise, texts))
    return Timing(champion.tolist(), candidate.tolist())


@pytest.mark.parametrize(
    ("timing", "outcome"),
    [
        (times(1.0, 0.1), Outcome.PASS),
        (times(1.5, 0.3), Outcome.INCONCLUSIVE),
        (times(2.0, 0.1), Outcome.FAIL),
        (times(1.0, 0.1, 4), Outcome.INCONCLUSIVE),
        (None, Outcome.MISSING),
        (Timing([], []), Outcome.MISSING),
        (Timing([1.0, 1.0], [1.0]), Outcome.MISSING),
        (Timing([0.0], [1.0]), Outcome.MISSING),
        (Timing([1.0], [float("nan")]), Outcome.MISSING),
    ],
)
def test_the_median_ratio_is_held_against_the_limit(
    timing: Timing | None, outcome: Outcome
) -> None:
    [verdict] = found(decide(exam(ONE, ONE), RULES, timing=timing), "latency")
    assert verdict.outcome is outcome


def test_a_few_slow_moments_count_for_nothing() -> None:
    calm = times(1.0, 0.05)
    jammed = Timing(calm.champion, [*calm.candidate[:35], *[500.0] * 5])
    [verdict] = found(decide(exam(ONE, ONE), RULES, timing=jammed), "latency")
    assert verdict.outcome is Outcome.PASS


@pytest.mark.parametrize("items", [8, 40, 101])
def test_the_bounds_are_those_of_the_quantile_test(items: int) -> None:
    ratios = np.random.default_rng(items).lognormal(0, 0.3, items)
    exact = stats.quantile_test(ratios, q=1, p=0.5).confidence_interval(0.9)
    assert ratio_bounds(ratios.tolist(), 0.05) == pytest.approx((exact.low, exact.high))


def test_the_first_version_has_nothing_to_be_held_against() -> None:
    first = exam(None, ONE)
    asked = decide(type(first)("t", "t", None, ONE, None, known=False), RULES)
    assert found(asked, "latency") == []
