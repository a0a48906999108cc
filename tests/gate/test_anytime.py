"""Bounds that hold at every look."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from components.gate import anytime, paired_statistics
from components.gate.paired_statistics import Changes

counts = st.integers(0, 80)


def evidence(seen: Changes, loss: float) -> float:
    return float(anytime.log_evidence_against(seen.worse, seen.better, seen.items, loss))


@pytest.mark.parametrize("loss", [0.0, 0.04, -0.02])
def test_looking_at_every_tenth_item_errs_less_often_than_alpha(loss: float) -> None:
    rng = np.random.default_rng(11)
    kinds = rng.choice(3, size=(400, 60, 10), p=[0.06 + loss / 2, 0.06 - loss / 2, 0.88])
    worse, better = ((kinds == kind).sum(-1).cumsum(-1) for kind in (0, 1))
    items = 10 * np.arange(1, 61)
    missed = anytime.log_evidence_against(worse, better, items, loss) >= log(1 / 0.1)
    assert missed.any(-1).mean() <= 0.1
    peeked = [
        paired_statistics.score(worse[:, n], better[:, n], int(items[n]), loss) < -1.282
        for n in range(60)
    ]
    assert np.any(peeked, axis=0).mean() > 0.3, "ordinary bounds must fail, or this shows nothing"


def test_bounds_are_sane_where_most_answers_changed() -> None:
    """Fault: 60 of 60 items worse gave a lower bound of -8.7 points."""
    assert anytime.lower_bound(Changes(60, 0, 60), 0.05) > 0.8
    assert anytime.lower_bound(Changes(400, 380, 1000), 0.05) > -0.1
    assert anytime.upper_bound(Changes(400, 380, 1000), 0.05) < 0.13


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
def test_one_more_worse_answer_never_lowers_a_bound(worse: int, better: int, same: int) -> None:
    seen = Changes(worse, better, worse + better + same)
    more = Changes(worse + 1, better, worse + better + same)
    for bound in (anytime.lower_bound, anytime.upper_bound):
        assert bound(more, 0.05) >= bound(seen, 0.05) - 1e-6


@settings(deadline=None)
@given(counts, counts, st.integers(1, 800))
def test_what_holds_at_every_look_is_wider_than_what_holds_at_one(
    worse: int, better: int, same: int
) -> None:
    seen = Changes(worse, better, worse + better + same)
    at_one = paired_statistics.upper_bound(seen, 0.05, corrected=False)
    assert anytime.upper_bound(seen, 0.05) >= at_one - 1e-3


@settings(deadline=None)
@given(counts, counts, st.integers(1, 800), st.sampled_from([0.05, 0.005]))
def test_the_losses_beyond_a_bound_are_refuted_and_those_within_are_not(
    worse: int, better: int, same: int, alpha: float
) -> None:
    seen = Changes(worse, better, worse + better + same)
    bound = anytime.upper_bound(seen, alpha)
    inside = seen.loss + 0.99 * (bound - seen.loss)
    assert evidence(seen, inside) < log(1 / alpha)
    if bound < 0.99:
        assert evidence(seen, bound + 1e-3) >= log(1 / alpha)


@pytest.mark.parametrize("loss", [-0.4, -0.05, 0.0, 0.03, 0.3])
@pytest.mark.parametrize("better", [0.0, 0.1])
def test_the_money_of_the_bettor_is_worth_one_at_the_loss_that_it_refutes(
    loss: float, better: float
) -> None:
    """Exactly: the mean of the e-value over all outcomes; less, where the true loss is larger."""
    items = 12
    rates = (max(better, -loss) + loss, max(better, -loss))
    worse, gained = np.indices((items + 1, items + 1)).reshape(2, -1)
    worse, gained = (each[worse + gained <= items] for each in (worse, gained))
    table = np.stack([worse, gained, items - worse - gained], axis=-1)
    value = np.exp(anytime.log_evidence_against(worse, gained, items, loss))
    chance = stats.multinomial.pmf(table, items, [*rates, 1 - sum(rates)])
    assert (chance * value).sum() == pytest.approx(1)
    larger = stats.multinomial.pmf(table, items, [rates[0] + 0.1, rates[1], 0.9 - sum(rates)])
    assert (larger * value).sum() <= 1


@pytest.mark.parametrize(
    ("items", "margin", "alpha"), [(1000, 0.03, 0.05), (2000, 0.03, 0.005), (2000, 0.06, 0.0006)]
)
def test_the_detectable_loss_is_noticed_in_about_four_looks_of_five(
    items: int, margin: float, alpha: float
) -> None:
    seen = Changes(items // 25, items // 25, items)
    loss = anytime.detectable_loss(seen, margin, alpha)
    churn = max(seen.churn, loss)
    random = np.random.default_rng(items)
    changed = random.binomial(items, churn, 4000)
    worse = random.binomial(changed, (churn + loss) / (2 * churn))
    found = anytime.log_evidence_against(changed - worse, worse, items, -margin) >= -log(alpha)
    assert 0.75 < found.mean() < 0.85
