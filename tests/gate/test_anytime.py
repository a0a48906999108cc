"""Bounds that hold at every look."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from components.gate import anytime, paired_statistics
from components.gate.paired_statistics import Changes

counts = st.integers(0, 80)


@pytest.mark.parametrize("loss", [0.0, 0.04, -0.02])
def test_looking_at_every_tenth_item_errs_less_often_than_alpha(loss: float) -> None:
    rng = np.random.default_rng(11)
    missed = peeked = 0
    for _ in range(200):
        kinds = rng.choice(3, size=600, p=[0.06 + loss / 2, 0.06 - loss / 2, 0.88])
        looks = [kinds[:stop] for stop in range(10, 601, 10)]
        seen = [Changes(int((k == 0).sum()), int((k == 1).sum()), len(k)) for k in looks]
        missed += any(anytime.log_evidence_against(s, loss) >= log(1 / 0.1) for s in seen)
        peeked += any(
            abs(paired_statistics.score(s.worse, s.better, s.items, loss)) > 1.645 for s in seen
        )
    assert missed / 200 <= 0.1
    assert peeked / 200 > 0.2, "ordinary bounds must fail here, or the test shows nothing"


def test_a_fair_coin_is_called_a_loss_less_often_than_alpha_over_all_looks() -> None:
    rng = np.random.default_rng(12)
    alarms = 0
    for _ in range(300):
        worse = np.cumsum(rng.random(400) < 0.5)
        looks = (Changes(int(w), n - int(w), 2000) for n, w in enumerate(worse, start=1))
        alarms += any(anytime.shows_loss(seen, 0.1) for seen in looks)
    assert alarms / 300 <= 0.1


def test_a_loss_is_shown_sooner_by_the_sign_test_than_by_the_bounds() -> None:
    seen = Changes(86, 36, 600)
    assert anytime.shows_loss(seen, 0.002)
    assert anytime.lower_bound(seen, 0.002) < 0
    assert not anytime.shows_loss(seen.swapped(), 0.5)


def test_one_look_at_a_clear_regression_is_enough() -> None:
    assert anytime.lower_bound(Changes(60, 12, 800), 0.01) > 0


@settings(deadline=None)
@given(counts, counts, st.integers(1, 800))
def test_swapping_the_models_mirrors_the_bounds(worse: int, better: int, same: int) -> None:
    seen = Changes(worse, better, worse + better + same)
    assert anytime.lower_bound(seen, 0.05) == -anytime.upper_bound(seen.swapped(), 0.05)
    assert anytime.lower_bound(seen, 0.05) <= seen.loss <= anytime.upper_bound(seen, 0.05)


@settings(deadline=None)
@given(counts, counts, st.integers(1, 800))
def test_what_holds_at_every_look_is_wider_than_what_holds_at_one(
    worse: int, better: int, same: int
) -> None:
    seen = Changes(worse, better, worse + better + same)
    assert anytime.upper_bound(seen, 0.05) >= paired_statistics.upper_bound(seen, 0.05) - 1e-3


@settings(deadline=None)
@given(counts, counts, st.integers(1, 800), st.sampled_from([0.05, 0.005]))
def test_the_losses_beyond_a_bound_are_refuted_and_those_within_are_not(
    worse: int, better: int, same: int, alpha: float
) -> None:
    seen = Changes(worse, better, worse + better + same)
    bound = anytime.upper_bound(seen, alpha)
    inside = seen.loss + 0.99 * (bound - seen.loss)
    assert anytime.log_evidence_against(seen, inside) < log(1 / alpha)
    if bound < 0.99:
        assert anytime.log_evidence_against(seen, bound + 1e-3) >= log(1 / alpha)


def test_the_mixture_is_the_integral_over_all_trinomials() -> None:
    weight, _ = integrate.dblquad(lambda b, w: (1 - w - b) ** 19, 0, 1, 0, lambda w: 1 - w)
    chance, _ = integrate.dblquad(
        lambda b, w: w**3 * b * (1 - w - b) ** (6 + 19), 0, 1, 0, lambda w: 1 - w
    )
    seen = Changes(3, 1, 10)
    best = 0.3**3 * 0.1 * 0.6**6
    assert exp(anytime.log_evidence_against(seen, seen.loss)) == pytest.approx(
        chance / weight / best, rel=1e-6
    )


def test_the_evidence_is_fair_under_the_hypothesis_that_it_tests() -> None:
    items, rates = 12, (0.15, 0.1, 0.75)
    total = 0.0
    for worse in range(items + 1):
        for better in range(items + 1 - worse):
            seen = Changes(worse, better, items)
            chance = np.prod(np.power(rates, (worse, better, items - worse - better)))
            ways = exp(_log_ways(worse, better, items))
            total += ways * chance * exp(anytime.log_evidence_against(seen, rates[0] - rates[1]))
    assert 0 < total <= 1


def _log_ways(worse: int, better: int, items: int) -> float:
    from scipy.special import gammaln

    rest = items - worse - better
    return float(gammaln(items + 1) - gammaln(worse + 1) - gammaln(better + 1) - gammaln(rest + 1))
