"""How far a model's confidence is from how often it is right, and how sure that difference is.

Concept: answers are put in bins by their confidence; the expected calibration error is the mean
distance between confidence and accuracy over the bins, weighed by their items. Two models are
compared on the same items: the bootstrap draws items, each with both models' answers.

Promise: confidences count in steps of 1/10,000, so every sum is one of whole numbers and comes
out the same on every machine; the draws have a fixed seed and the items are sorted first, so
the order of the items never counts.
Why not the draws' own quantiles: a mean distance is never below zero, so noise alone makes it
grow, in the sample and once more in every draw. A champion that is honest looks worse than it is,
and a candidate's growth smaller. So each bound starts at an estimate whose error, if any, is to the
careful side, and takes from the draws only their spread (`_careful`).

What holds, by simulation of 12 shapes of 300, 800 and 2,000 items: a growth of exactly the margin
passes at 5 % in at most about 12 % of draws (most in 2 to 8 %; percentiles: up to 76 %). These are
approximate. Two models whose answers have nothing to do with each other seldom pass at 300 items.
Sources: Naeini, Cooper, Hauskrecht 2015, AAAI 29, 2901 (the error); Davison and Hinkley 1997,
Bootstrap Methods and their Application, section 5.2 (basic bounds, from the draws' spread).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


Graded = tuple[Sequence[float], Sequence[bool]]
"""Confidence and whether right, each of shape (items,)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """An estimate that is rather too large, and how far each draw lies above its mean, sorted."""

    estimate: float
    deviations: Any

    def upper(self, alpha: float) -> float:
        """Return the basic bound: the estimate and what the draws fall short by."""
        place = ceil((1 - alpha) * len(self.deviations)) - 1
        return self.estimate - float(self.deviations[len(self.deviations) - 1 - place])

    def p_value(self) -> float:
        """Return the share of draws as far below their mean as the estimate is below zero."""
        as_low = int((self.deviations <= self.estimate).sum())
        return (1 + as_low) / (1 + len(self.deviations))


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much the error grows, in [-1, 1], seen from both sides."""

    above: tuple[Spread, Spread]
    below: Spread
    """The first way with the two models exchanged, for the bound from below."""

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Return the lower and the upper bound, each one-sided at `alpha`.

        Of two upper bounds the sharper one counts, so each gets half of `alpha` (Bonferroni).
        """
        return -self.below.upper(alpha), min(each.upper(alpha / 2) for each in self.above)

    def p_value(self) -> float:
        """Return how well the items agree with no growth."""
        return self.below.p_value()


def growth(before: Graded, after: Graded) -> Growth:
    """Return what the items and `ROUNDS` draws of them say about the growth of the error.

    Args:
        before: of the reference.
        after: of the model under examination, items in the same order.
    Law: permuting the items of both changes nothing.
    """
    columns = np.array([np.asarray(each, float) for each in (*before, *after)])
    columns = columns[:, np.lexsort(columns)]
    old, new = (
        _residuals(confidence, right > 0) for confidence, right in (columns[:2], columns[2:])
    )
    items = columns.shape[1]
    times = _draws(items)
    sums, drawn = (old.sum(axis=0), new.sum(axis=0)), (times @ old, times @ new)
    return Growth(_careful(sums, drawn, items), _careful(sums[::-1], drawn[::-1], items)[0])


def _careful(sums: tuple[Any, Any], drawn: tuple[Any, Any], items: int) -> tuple[Spread, Spread]:
    """Return two views of the growth, neither too small on average.

    Args:
        sums: residuals by bin of reference and model, each of shape (BINS,).
        drawn: the same of every draw, shape (ROUNDS, BINS).
        items: how many.

    The first takes the model's error as it is (Jensen: not too small), and of the reference's
    bins the size with the sign of a draw, in that draw's mirror image: sign and size are then
    nearly independent, so its mean is not above the true one, and zero where that is zero.
    The second adds up by how much each bin changes, which no growth exceeds; it is sharp where
    both models answer nearly alike.
    """
    (old, new), (old_drawn, new_drawn) = sums, drawn
    mirrored = (np.sign(old_drawn) * (2 * old - old_drawn)).sum()
    grown = np.abs(new_drawn).sum(axis=1) - np.abs(old_drawn).sum(axis=1)
    changed = np.abs(new_drawn - old_drawn).sum(axis=1)
    return (
        _spread(ROUNDS * np.abs(new).sum() - mirrored, grown, items),
        _spread(ROUNDS * np.abs(new - old).sum(), changed, items),
    )


def _spread(estimate: Any, draws: Any, items: int) -> Spread:
    """Return both as shares of the items; given whole, the estimate times `ROUNDS`."""
    deviations = np.sort(ROUNDS * draws - draws.sum())
    unit = _STEPS * ROUNDS * items
    return Spread(float(estimate) / unit, deviations / unit)


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
