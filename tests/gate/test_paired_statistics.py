"""The loss between two models and its bounds, against independent references."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from components.gate.paired_statistics import (
    EXACT_ITEMS,
    Changes,
    detectable_loss,
    enough_items,
    holm,
    loss_p_value,
    lower_bound,
    restricted_better,
    score,
    upper_bound,
)


@st.composite
def changes(draw: st.DrawFn, low: int = 1, high: int = 1500) -> Changes:
    items = draw(st.integers(low, high))
    worse = draw(st.integers(0, min(items, 200)))
    return Changes(worse, draw(st.integers(0, min(items - worse, 200))), items)


def log_likelihood(seen: Changes, loss: float, better: float) -> float:
    same = seen.items - seen.worse - seen.better
    rates = np.maximum([better + loss, better, 1 - 2 * better - loss], 1e-300)
    return float(np.dot([seen.worse, seen.better, same], np.log(rates)))


def brute_force_better(seen: Changes, loss: float) -> float:
    """Maximise the restricted likelihood numerically."""
    found = optimize.minimize_scalar(
        lambda better: -log_likelihood(seen, loss, better),
        bounds=(max(0.0, -loss), (1 - loss) / 2),
        method="bounded",
        options={"xatol": 1e-11},
    )
    return float(found.x)


@settings(deadline=None)
@given(changes(), st.floats(-0.9, 0.9))
def test_the_closed_form_maximises_the_restricted_likelihood(seen: Changes, loss: float) -> None:
    closed = float(restricted_better(seen.worse, seen.better, seen.items, loss))
    best = log_likelihood(seen, loss, brute_force_better(seen, loss))
    assert log_likelihood(seen, loss, closed) >= best - 1e-6


@settings(max_examples=40, deadline=None)
@given(changes(low=EXACT_ITEMS + 1))
def test_the_bound_of_a_large_exam_is_where_the_brute_force_score_test_turns(seen: Changes) -> None:
    def statistic(loss: float) -> float:
        better = brute_force_better(seen, loss)
        spread = seen.items * (2 * better + loss - loss**2)
        return (seen.worse - seen.better - seen.items * loss) / max(spread, 1e-12) ** 0.5

    bound = upper_bound(seen, 0.05)
    assert bound == 1 or statistic(bound) == pytest.approx(stats.norm.ppf(0.05), abs=2e-2)


@pytest.mark.parametrize("counts", [(0, 0, 6), (2, 0, 6), (1, 1, 8), (0, 3, 8), (5, 1, 8)])
def test_a_small_exam_is_enumerated_like_an_independent_enumeration(
    counts: tuple[int, int, int],
) -> None:
    seen, bound = Changes(*counts), upper_bound(Changes(*counts), 0.05)
    n = seen.items
    table = [(w, b) for w in range(n + 1) for b in range(n + 1 - w)]

    def largest_p_value(loss: float) -> float:
        observed = score(seen.worse, seen.better, n, loss)
        low = [(w, b) for w, b in table if score(w, b, n, loss) <= observed + 1e-9]
        rows = np.array([(w, b, n - w - b) for w, b in low])
        grid = np.linspace(max(0.0, -loss), (1 - loss) / 2, 300)
        return max(
            stats.multinomial.pmf(rows, n, np.array([q + loss, q, 1 - 2 * q - loss])).sum()
            for q in grid
        )

    assert largest_p_value(bound - 0.005) > 0.049
    assert bound > 0.99 or largest_p_value(bound + 0.005) < 0.051


def test_identical_answers_to_many_items_give_the_score_bound_of_a_share() -> None:
    z = stats.norm.ppf(0.95)
    assert upper_bound(Changes(0, 0, 800), 0.05) == pytest.approx(z**2 / (800 + z**2), abs=1e-6)


@settings(deadline=None)
@given(changes())
def test_swapping_the_models_mirrors_the_bounds(seen: Changes) -> None:
    assert lower_bound(seen, 0.05) == -upper_bound(seen.swapped(), 0.05)
    assert lower_bound(seen, 0.05) <= seen.loss <= upper_bound(seen, 0.05)


@settings(deadline=None)
@given(changes(low=2), st.sampled_from([0.01, 0.05, 0.2]))
def test_one_more_worse_answer_never_lowers_a_bound(seen: Changes, alpha: float) -> None:
    more = []
    if seen.worse + seen.better < seen.items:
        more.append(Changes(seen.worse + 1, seen.better, seen.items))
    if seen.better:
        more.append(Changes(seen.worse, seen.better - 1, seen.items))
    for worse in more:
        assert upper_bound(worse, alpha) >= upper_bound(seen, alpha) - 1e-6
        assert lower_bound(worse, alpha) >= lower_bound(seen, alpha) - 1e-6
        assert loss_p_value(worse) <= loss_p_value(seen) + 1e-9


@settings(deadline=None)
@given(changes(), st.sampled_from([0.01, 0.05, 0.2]))
def test_the_lower_bound_is_above_zero_exactly_when_the_loss_is_significant(
    seen: Changes, alpha: float
) -> None:
    p_value = loss_p_value(seen)
    if abs(p_value - alpha) > 1e-4:
        assert (lower_bound(seen, alpha) > 0) == (p_value < alpha)


@pytest.mark.parametrize("items", [40, 61, 150, 400])
@pytest.mark.parametrize("better", [0.0, 0.02, 0.05])
def test_a_loss_of_the_margin_passes_at_about_the_nominal_rate(items: int, better: float) -> None:
    rng = np.random.default_rng(7)
    rates = (better + 0.05, better, 1 - 2 * better - 0.05)
    seen = rng.multinomial(items, rates, size=3000)
    rows, counts = np.unique(seen[:, :2], axis=0, return_counts=True)
    passes = [upper_bound(Changes(int(w), int(b), items), 0.05) < 0.05 for w, b in rows]
    assert np.dot(passes, counts) / 3000 < 0.075


def test_the_detectable_loss_is_noticed_in_about_four_cases_of_five() -> None:
    rng = np.random.default_rng(3)
    loss = detectable_loss(Changes(30, 30, 800), 0.05)
    churn = 60 / 800
    rates = ((churn + loss) / 2, (churn - loss) / 2, 1 - churn)
    noticed = [
        loss_p_value(Changes(int(w), int(b), 800)) <= 0.05
        for w, b, _ in rng.multinomial(800, rates, size=1000)
    ]
    assert 0.75 < np.mean(noticed) < 0.85


@settings(deadline=None)
@given(changes(), st.integers(1, 500))
def test_more_agreeing_items_make_a_smaller_loss_detectable(seen: Changes, extra: int) -> None:
    larger = Changes(seen.worse, seen.better, seen.items + extra)
    assert 0 < detectable_loss(larger, 0.05) <= detectable_loss(seen, 0.05) + 1e-9 <= 1.1


@settings(deadline=None)
@given(changes())
def test_an_open_verdict_asks_for_more_items_than_it_had(seen: Changes) -> None:
    assert enough_items(seen, 0.03, 0.05) > seen.items


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    places = range(len(p_values))
    subsets = [s for size in places for s in combinations(places, size + 1)]
    for place, adjusted in enumerate(holm(p_values)):
        mine = [s for s in subsets if place in s]
        closed = max(min(1.0, len(s) * min(p_values[i] for i in s)) for s in mine)
        assert adjusted == pytest.approx(closed)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    _, adjusted, _, _ = multipletests(p_values, method="holm")
    assert holm(p_values) == pytest.approx(adjusted)


@settings(deadline=None)
@given(changes(low=EXACT_ITEMS + 1))
def test_without_a_margin_the_score_test_is_mcnemars(seen: Changes) -> None:
    same = seen.items - seen.worse - seen.better
    table = [[same, seen.worse], [seen.better, 0]]
    if seen.worse != seen.better:
        both_sides = mcnemar(table, exact=False, correction=False).pvalue
        one_side = min(loss_p_value(seen), loss_p_value(seen.swapped()))
        assert one_side == pytest.approx(both_sides / 2, abs=1e-9)


@pytest.mark.parametrize("counts", [(5, 0, 20), (6, 1, 40), (9, 2, 60), (3, 2, 30)])
def test_the_enumerated_test_is_sharper_than_mcnemars_exact_one(
    counts: tuple[int, int, int],
) -> None:
    """Exact and unconditional: it may use the items that both answer alike (Suissa 1991)."""
    seen = Changes(*counts)
    table = [[seen.items - seen.worse - seen.better, seen.worse], [seen.better, 0]]
    conditional = stats.binomtest(seen.worse, seen.worse + seen.better, alternative="greater")
    both_sides = mcnemar(table, exact=True).pvalue
    assert both_sides == pytest.approx(min(1.0, 2 * conditional.pvalue))
    assert loss_p_value(seen) < conditional.pvalue


@pytest.mark.parametrize("items", [30, 45, 60])
@pytest.mark.parametrize("better", [0.01, 0.05, 0.1])
def test_groups_of_thirty_hold_their_level_in_the_normal_limit(items: int, better: float) -> None:
    """A loss of the margin passes with chance 5 %; of 30 items it may be 7."""
    loss, passed = 0.10, 0.0
    rates = (better + loss, better, 1 - 2 * better - loss)
    for worse in range(items + 1):
        for gained in range(items + 1 - worse):
            counts = (worse, gained, items - worse - gained)
            if upper_bound(Changes(worse, gained, items), 0.05, exact=False) < loss:
                passed += stats.multinomial.pmf(counts, items, rates)
    assert passed < 0.07


@pytest.mark.parametrize("counts", [(0, 0, 0), (-1, 0, 5), (3, 3, 5)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="impossible"):
        Changes(*counts)
