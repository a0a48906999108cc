"""The expected calibration error and how sure its growth is."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gate import reliability
from components.gate.reliability import BINS, calibration_error, growth


def textbook_error(confidence: Any, right: Any) -> float:
    """Return the error as Guo et al. 2017 write it, bin by bin."""
    total = 0.0
    for place in range(BINS):
        low, high = place / BINS, (place + 1) / BINS
        own = (confidence >= low) & ((confidence < high) | (place == BINS - 1))
        if own.any():
            total += own.mean() * abs(right[own].mean() - confidence[own].mean())
    return total


def draw(random: np.random.Generator, items: int, excess: float) -> tuple[Any, Any]:
    """Return confidences, and answers that are right `excess` less often than these say."""
    confidence = random.uniform(0.5, 0.98, items).round(4)
    return confidence, random.random(items) < confidence - excess


@pytest.mark.parametrize("seed", range(5))
def test_the_error_is_that_of_the_textbook(seed: int) -> None:
    confidence, right = draw(np.random.default_rng(seed), 300, 0.1)
    found = calibration_error(confidence, right)
    assert found == pytest.approx(textbook_error(confidence, right), abs=1e-9)


def test_a_sure_and_wrong_model_is_as_far_off_as_can_be() -> None:
    assert calibration_error([1.0] * 5, [False] * 5) == 1.0
    assert calibration_error([1.0] * 5, [True] * 5) == 0.0


def test_a_model_that_became_too_sure_is_found_and_an_equal_one_seldom() -> None:
    random = np.random.default_rng(0)
    found, false, covered = 0, 0, 0
    for _ in range(60):
        before, equal = draw(random, 400, 0.05), draw(random, 400, 0.05)
        worse = draw(random, 400, 0.25)
        found += growth(before, worse).p_value() <= 0.05
        same = growth(before, equal)
        false += same.p_value() <= 0.05
        covered += same.bounds(0.05)[1] >= 0
    assert found >= 58
    assert false <= 8 and covered >= 52


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 80), st.integers(0, 1000))
def test_permuting_items_changes_not_a_bit(items: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    before, after = draw(random, items, 0.1), draw(random, items, 0.2)
    order = random.permutation(items)
    mixed, told = (
        growth((before[0][own], before[1][own]), (after[0][own], after[1][own]))
        for own in (order, np.arange(items))
    )
    assert mixed.bounds(0.05) == told.bounds(0.05)
    assert mixed.p_value() == told.p_value()


def test_two_models_of_one_mind_have_no_loss_in_any_draw() -> None:
    one = draw(np.random.default_rng(3), 50, 0.1)
    same = growth(one, one)
    assert same.bounds(0.05)[1] == 0.0 and same.p_value() == 1.0


def alike(random: np.random.Generator, items: int, excess: float, more: float) -> tuple[Any, Any]:
    """Return two models of the same confidences, one rightly less often where luck is close."""
    confidence, luck = random.uniform(0.5, 0.98, items).round(4), random.random(items)
    return (confidence, luck < confidence - excess), (confidence, luck < confidence - excess - more)


def apart(random: np.random.Generator, items: int, excess: float, more: float) -> tuple[Any, Any]:
    """Return two models that have nothing to do with each other."""
    return draw(random, items, excess), draw(random, items, excess + more)


@pytest.mark.parametrize("excess", [0.0, 0.05])
@pytest.mark.parametrize("models", [alike, apart])
@pytest.mark.parametrize(("items", "rounds"), [(300, 200), (800, 200), (2000, 80)])
def test_a_growth_of_the_margin_seldom_passes(
    items: int, rounds: int, models: Any, excess: float
) -> None:
    """At most 12 % where 5 % are asked for, and two standard errors of the simulation."""
    random = np.random.default_rng(items)
    pairs = (models(random, items, excess, 0.05) for _ in range(rounds))
    passed = sum(growth(*pair).bounds(0.05)[1] < 0.05 for pair in pairs)
    assert passed / rounds <= 0.12 + 2 * (0.12 * 0.88 / rounds) ** 0.5


@pytest.mark.parametrize("models", [alike, apart])
def test_a_growth_of_the_margin_is_seldom_shown_to_be_above_it(models: Any) -> None:
    random = np.random.default_rng(1)
    found = [growth(*models(random, 300, 0.05, 0.05)).p_value(0.05) for _ in range(300)]
    assert np.mean(np.array(found) <= 0.05) <= 0.05


def test_a_clear_growth_is_clear_among_a_thousand_questions() -> None:
    random = np.random.default_rng(2)
    assert growth(*apart(random, 2000, 0.0, 0.25)).p_value(0.05) <= 0.05 / 1000


def test_a_large_exam_is_drawn_within_200_megabytes() -> None:
    """Fault: 100,000 items took a gigabyte."""
    random = np.random.default_rng(3)
    pair = apart(random, 100_000, 0.0, 0.1)
    tracemalloc.start()
    lower, upper = growth(*pair).bounds(0.05)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lower < 0.1 < upper and upper - lower < 0.02
    assert most < 200e6


def test_fewer_items_a_draw_give_the_spread_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = apart(np.random.default_rng(4), 3000, 0.0, 0.1)
    whole = growth(*pair).bounds(0.05)
    monkeypatch.setattr(reliability, "MOST_DRAWN", 0)
    monkeypatch.setattr(reliability, "FEWER_DRAWN", 500 * reliability.ROUNDS)
    assert growth(*pair).bounds(0.05) == pytest.approx(whole, abs=0.004)


def test_near_equal_models_pass() -> None:
    random = np.random.default_rng(0)
    passed = [growth(*alike(random, 300, 0.0, 0.01)).bounds(0.05)[1] < 0.05 for _ in range(50)]
    assert sum(passed) >= 45
