"""The expected calibration error and how sure its growth is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gate.reliability import BINS, bounds, calibration_error, drawn_losses, p_value


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
        found += p_value(drawn_losses(before, worse)) <= 0.05
        draws = drawn_losses(before, equal)
        false += p_value(draws) <= 0.05
        covered += bounds(draws, 0.05)[1] >= 0
    assert found >= 58
    assert false <= 8 and covered >= 52


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 80), st.integers(0, 1000))
def test_permuting_items_changes_not_a_bit(items: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    before, after = draw(random, items, 0.1), draw(random, items, 0.2)
    order = random.permutation(items)
    mixed = drawn_losses((before[0][order], before[1][order]), (after[0][order], after[1][order]))
    assert (mixed == drawn_losses(before, after)).all()


def test_two_models_of_one_mind_have_no_loss_in_any_draw() -> None:
    one = draw(np.random.default_rng(3), 50, 0.1)
    draws = drawn_losses(one, one)
    assert not draws.any() and p_value(draws) == 1.0
