"""How far a model's confidence is from how often it is right, and how sure that difference is.

Concept: answers are put in bins by their confidence; the expected calibration error is the mean
distance between confidence and accuracy over the bins, weighed by their items. Two models are
compared on the same items: the bootstrap draws items, each with both models' answers.

Promise: confidences count in steps of 1/10,000, so every sum is one of whole numbers and comes
out the same on every machine; the draws have a fixed seed and the items are sorted first, so
the order of the items never counts.
A p-value counts draws: where none of the first ones is as low, more are drawn, so that it can
answer for a family of a thousand questions.
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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np

BINS = 10
ROUNDS = 400
"""A bound at 5 % is the 20th of 400 draws; more change it by less than its own noise."""

FURTHER_ROUNDS = 20_000
"""So many more are drawn where none of the first is as low."""

MOST_DRAWN, FEWER_DRAWN = 40_000_000, 10_000_000
"""Items in all draws together: where all items in every draw make more than the first, a draw
takes fewer items, and its deviations are scaled down (m out of n bootstrap)."""

_AT_ONCE = 4_000_000
"""So many items are drawn at a time, for the memory's sake: about 100 MB."""

_KEPT = 1_000_000
"""Draws of so many items in all are kept for the next exam of this size."""

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


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much the error grows, in [-1, 1], seen from both sides."""

    above: tuple[Spread, Spread]
    below: Spread
    """The first way with the two models exchanged, for the bound from below."""
    further: Callable[[], Any]
    """Return the deviations of `below` in `FURTHER_ROUNDS` more draws."""

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Return the lower and the upper bound, each one-sided at `alpha`.

        Of two upper bounds the sharper one counts, so each gets half of `alpha` (Bonferroni).
        """
        return -self.below.upper(alpha), min(each.upper(alpha / 2) for each in self.above)

    def p_value(self, margin: float = 0.0, draw_further: bool = True) -> float:
        """Return how well the items agree with a growth of `margin` or less.

        The share of draws as far below their mean as the lower estimate is above `margin`.
        """
        limit = self.below.estimate + margin
        as_low, draws = int((self.below.deviations <= limit).sum()), ROUNDS
        if draw_further and not as_low:
            as_low, draws = int((self.further() <= limit).sum()), ROUNDS + FURTHER_ROUNDS
        return (1 + as_low) / (1 + draws)


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
    residuals, items = np.hstack([old, new]), columns.shape[1]

    def further() -> Any:
        before, after = _drawn(residuals, FURTHER_ROUNDS)
        shrunk = np.abs(before).sum(axis=1) - np.abs(after).sum(axis=1)
        return (shrunk - shrunk.mean()) / (_STEPS * items)

    sums, drawn = (old.sum(axis=0), new.sum(axis=0)), _drawn(residuals, ROUNDS)
    below = _careful(sums[::-1], drawn[::-1], items)[0]
    return Growth(_careful(sums, drawn, items), below, further)


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


def _drawn(residuals: Any, rounds: int) -> tuple[Any, Any]:
    """Return the residuals of `rounds` draws by bin, of reference and model, (rounds, BINS) each.

    `residuals`: of both side by side, (items, 2 * BINS). Whole numbers, of the size of sums over
    all items, however many are drawn.
    """
    items = len(residuals)
    size = items if rounds * items <= MOST_DRAWN else FEWER_DRAWN // rounds
    if rounds * items <= _KEPT:
        sums = _draws(items, rounds) @ residuals
    else:
        random, at_once = np.random.default_rng(items), max(1, _AT_ONCE // size)
        parts = (min(at_once, rounds - start) for start in range(0, rounds, at_once))
        drawn = (random.integers(items, size=(rows, size)) for rows in parts)
        sums = np.concatenate([_sums(residuals, chosen) for chosen in drawn])
    if size < items:
        whole = residuals.sum(axis=0)
        sums = whole + np.rint((sums * (items / size) - whole) * (size / items) ** 0.5)
    return sums[:, :BINS], sums[:, BINS:]


def _sums(residuals: Any, chosen: Any) -> Any:
    """Return the sums of the chosen items' residuals, row by row: (rows, 2 * BINS)."""
    items, (rows, size) = len(residuals), chosen.shape
    if size == items:
        return _times(chosen, items) @ residuals
    found = np.zeros((rows, 2 * BINS))
    for side in (0, BINS):  # each item is in one bin of each model
        places = (residuals[:, side : side + BINS] != 0).argmax(axis=1) + side
        amounts = residuals[np.arange(items), places]
        cells = places[chosen] + 2 * BINS * np.arange(rows)[:, None]
        counts = np.bincount(cells.ravel(), amounts[chosen].ravel(), rows * 2 * BINS)
        found += counts.reshape(rows, 2 * BINS)
    return found


@lru_cache(maxsize=8)
def _draws(items: int, rounds: int) -> Any:
    """Return how often each item is drawn, shape (rounds, items): the same for equal exams."""
    return _times(np.random.default_rng(items).integers(items, size=(rounds, items)), items)


def _times(chosen: Any, items: int) -> Any:
    """Return how often each item is among the chosen, row by row: (rows, items)."""
    rows = len(chosen)
    counts = np.bincount(
        (chosen + items * np.arange(rows)[:, None]).ravel(), minlength=rows * items
    )
    return counts.reshape(rows, items).astype(float)
