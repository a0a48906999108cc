"""Bounds of a mean loss between -1 and 1, against other bounds and in simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.weightstats import DescrStatsW

from components.gate.bounded_scores import loss_p_value, lower_bound, mean_loss, upper_bound

LOSSES = st.lists(st.floats(-1, 1), min_size=1, max_size=60)


def maurer_pontil(losses: np.ndarray, alpha: float) -> float:
    """Return the empirical Bernstein bound, theorem 4 of Maurer and Pontil 2009, on [-1, 1]."""
    n, log_term = len(losses), np.log(2 / alpha)
    spread = np.sqrt(2 * losses.var(ddof=1) * log_term / n)
    return float(losses.mean() + spread + 2 * 7 * log_term / (3 * (n - 1)))


@pytest.mark.parametrize("items", [60, 200, 500, 2000])
@pytest.mark.parametrize("spread", [0.02, 0.1, 0.3])
def test_the_bound_lies_between_students_and_the_empirical_bernstein_bound(
    items: int, spread: float
) -> None:
    losses = np.clip(np.random.default_rng(items).normal(0.01, spread, items), -1, 1)
    student = DescrStatsW(losses).tconfint_mean(alpha=0.1)[1]
    found = upper_bound(losses.tolist(), 0.05)
    assert student < found < maurer_pontil(losses, 0.05)


def rare_losses(random: np.random.Generator, items: int) -> np.ndarray:
    """Return losses of mean 0: nearly all a little below zero, one in fifty large."""
    return np.where(random.random(items) < 0.02, 0.98, -0.02)


@pytest.mark.parametrize("items", [30, 100, 400])
def test_bounds_hold_their_level_where_a_normal_limit_does_not(items: int) -> None:
    random = np.random.default_rng(items)
    drawn = [rare_losses(random, items) for _ in range(400)]
    missed = np.mean([upper_bound(each.tolist(), 0.05) < 0 for each in drawn])
    normal = np.mean([each.mean() + 1.645 * each.std() / items**0.5 < 0 for each in drawn])
    false = np.mean([loss_p_value(each.tolist()) <= 0.05 for each in drawn])
    assert missed <= 0.06 and false <= 0.06
    assert normal > 0.08


def test_a_true_loss_is_seen_and_a_true_gain_is_not_called_one() -> None:
    random = np.random.default_rng(1)
    losses = np.clip(random.normal(0.05, 0.15, 500), -1, 1).tolist()
    assert loss_p_value(losses) < 0.001 and lower_bound(losses, 0.05) > 0.02
    assert loss_p_value([-each for each in losses]) == 1.0


@settings(max_examples=60, deadline=None)
@given(LOSSES, st.randoms(use_true_random=False))
def test_permuting_items_changes_not_a_bit(losses: list[float], random: object) -> None:
    mixed = list(losses)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert upper_bound(mixed, 0.05) == upper_bound(losses, 0.05)
    assert lower_bound(mixed, 0.05) == lower_bound(losses, 0.05)
    assert loss_p_value(mixed) == loss_p_value(losses)


@settings(max_examples=60, deadline=None)
@given(LOSSES)
def test_bounds_enclose_the_mean_and_mirror_each_other(losses: list[float]) -> None:
    lower, upper = lower_bound(losses, 0.05), upper_bound(losses, 0.05)
    assert -1 <= lower <= mean_loss(losses) <= upper <= 1
    assert lower == -upper_bound([-each for each in losses], 0.05)


@settings(max_examples=60, deadline=None)
@given(LOSSES, st.integers(1, 200))
def test_items_without_a_loss_never_raise_a_bound_above_zero(
    losses: list[float], extra: int
) -> None:
    more = upper_bound([*losses, *[0.0] * extra], 0.05)
    assert more <= max(upper_bound(losses, 0.05), 0.0) + 1e-5


@settings(max_examples=60, deadline=None)
@given(LOSSES, st.floats(0.001, 0.4))
def test_the_p_value_and_the_lower_bound_tell_one_story(losses: list[float], alpha: float) -> None:
    lower, p_value = lower_bound(losses, alpha), loss_p_value(losses)
    if lower > 1e-5:
        assert p_value <= alpha * (1 + 1e-6)
    if p_value < alpha * 0.99:
        assert lower > -1e-5


@settings(max_examples=40, deadline=None)
@given(LOSSES, st.data())
def test_a_larger_loss_never_lowers_a_bound(losses: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(losses) - 1))
    worse = list(losses)
    worse[place] = data.draw(st.floats(losses[place], 1))
    assert upper_bound(worse, 0.05) >= upper_bound(losses, 0.05) - 1e-5
    assert lower_bound(worse, 0.05) >= lower_bound(losses, 0.05) - 1e-5
