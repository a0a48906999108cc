"""Exact bounds and p-values of a share, against statsmodels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import binom_test, proportion_confint

from components.gate.binomial import (
    binomial_bounds,
    p_value_not_above,
    p_value_not_below,
)


@settings(deadline=None)
@given(st.integers(1, 400), st.data(), st.floats(0.001, 0.4))
def test_the_bounds_are_those_of_clopper_and_pearson(
    items: int, data: st.DataObject, alpha: float
) -> None:
    hits = data.draw(st.integers(0, items))
    both = proportion_confint(hits, items, alpha=2 * alpha, method="beta")
    assert binomial_bounds(hits, items, alpha) == pytest.approx(both, abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 400), st.data(), st.floats(0.01, 0.99))
def test_the_p_values_are_those_of_the_binomial_test(
    items: int, data: st.DataObject, share: float
) -> None:
    hits = data.draw(st.integers(0, items))
    larger = binom_test(hits, items, share, alternative="larger")
    smaller = binom_test(hits, items, share, alternative="smaller")
    assert p_value_not_above(hits, items, share) == pytest.approx(larger, abs=1e-9)
    assert p_value_not_below(hits, items, share) == pytest.approx(smaller, abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 300), st.data(), st.floats(0.01, 0.99), st.floats(0.01, 0.2))
def test_a_p_value_is_small_just_where_its_bound_passes_the_share(
    items: int, data: st.DataObject, share: float, alpha: float
) -> None:
    hits = data.draw(st.integers(0, items))
    lower, upper = binomial_bounds(hits, items, alpha)
    if abs(lower - share) > 1e-9:
        assert (lower > share) == (p_value_not_above(hits, items, share) < alpha)
    if abs(upper - share) > 1e-9:
        assert (upper < share) == (p_value_not_below(hits, items, share) < alpha)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_at_either_end_is_refuted_by_one_item(share: float) -> None:
    assert p_value_not_above(1, 5, 0.0) == 0.0
    assert p_value_not_below(4, 5, 1.0) == 0.0
    assert p_value_not_above(0, 5, share) == 1.0
