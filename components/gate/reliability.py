"""How far a model's confidence is from how often it is right, and how sure that difference is.

Concept: answers are put in bins by their confidence; the expected calibration error is the mean
distance between confidence and accuracy over the bins, weighed by their items. Two models are
compared on the same items: the bootstrap draws items, each with both models' answers.

Promise: confidences count in steps of 1/10,000, so every sum is one of whole numbers and comes
out the same on every machine; the draws have a fixed seed and the items are sorted first, so
the order of the items never counts.
Sources: Naeini, Cooper, Hauskrecht 2015, AAAI 29, 2901 (the error); Efron and Tibshirani 1993,
An Introduction to the Bootstrap, chapter 13 (percentile bounds). These are approximate.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np

BINS = 10
ROUNDS = 400
"""A bound at 5 % is the 20th of 400 draws; more change it by less than its own noise."""

_STEPS = 10_000


def calibration_error(confidence: Sequence[float], right: Sequence[bool]) -> float:
    """Return the expected calibration error, in [0, 1].

    `confidence`: probability of each answer given, in [0, 1], shape (items,); `right`: whether
    it is, in the same order.
    """
    residuals = _residuals(np.asarray(confidence, float), np.asarray(right, bool))
    return float(np.abs(residuals.sum(axis=0)).sum()) / _STEPS / len(confidence)


def drawn_losses(
    before: tuple[Sequence[float], Sequence[bool]], after: tuple[Sequence[float], Sequence[bool]]
) -> Any:
    """Return by how much the error grows in each of `ROUNDS` draws of the items, sorted.

    Args:
        before: confidence and whether right, of the reference, each of shape (items,).
        after: the same of the model under examination, items in the same order.
    """
    columns = np.array([np.asarray(each, float) for each in (*before, *after)])
    columns = columns[:, np.lexsort(columns)]
    times = _draws(columns.shape[1])
    old, new = (
        np.abs(times @ _residuals(confidence, right > 0)).sum(axis=1)
        for confidence, right in (columns[:2], columns[2:])
    )
    return np.sort(new - old) / _STEPS / columns.shape[1]


def bounds(draws: Any, alpha: float) -> tuple[float, float]:
    """Return the percentile bounds of sorted draws, each one-sided at `alpha`."""
    place = ceil((1 - alpha) * len(draws)) - 1
    return float(draws[len(draws) - 1 - place]), float(draws[place])


def p_value(draws: Any) -> float:
    """Return the share of draws that show no loss, the one at hand counted in."""
    return (1 + int((draws <= 0).sum())) / (1 + len(draws))


def _residuals(confidence: Any, right: Any) -> Any:
    """Return each item's confidence minus its being right, in the column of its bin.

    Whole numbers in floats, shape (items, BINS): exact sums at the speed of floats.
    """
    steps = np.rint(_STEPS * confidence)
    places = np.minimum(steps * BINS // _STEPS, BINS - 1).astype(int)
    table = np.zeros((len(steps), BINS))
    table[np.arange(len(steps)), places] = steps - _STEPS * right
    return table


@lru_cache(maxsize=8)
def _draws(items: int) -> Any:
    """Return how often each item is drawn, shape (ROUNDS, items): the same for equal exams."""
    chosen = np.random.default_rng(items).integers(items, size=(ROUNDS, items))
    places = chosen + items * np.arange(ROUNDS)[:, None]
    counts = np.bincount(places.ravel(), minlength=ROUNDS * items)
    return counts.reshape(ROUNDS, items).astype(float)
