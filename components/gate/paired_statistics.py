"""Estimate the loss of accuracy from two models' answers to the same items.

Concept: only the items that the two answer differently carry information. They are a
trinomial sample: `worse` (right before, wrong now), `better` (wrong before, right now) and
the rest. The loss is P(worse) - P(better), in [-1, 1]; its one-sided bounds invert Tango's
score test, by exact enumeration while the exam is small. In a larger exam the normal limit of the
score is wrong where few answers changed, most where all of them changed one way. There the
exact answer is known: `worse` is binomial. So a p-value is the larger of two: the normal limit, and
the binomial chance of a score as low if all changes went one way. Likewise a bound is the wider of
two: the limit's, and the exact one (Clopper and Pearson) of the count that has the limit's bound.

Promise: swapping the two models mirrors the bounds; one more worse answer never lowers
a bound (the binomial part depends on the counts through the score alone, so no seam divides few
changes from many); identical answers to few items still give a wide interval.

What holds, enumerated for every exam of 1 to 600 items, margin 3, alpha 5 %: a loss of the margin
that only loses passes in at most 5.0 %; with gains beside it (up to 5 % of the items) in at most
5.4 %. The normal limit alone let it pass in up to 6.9 %.
Sources: Tango 1998, Statistics in Medicine 17, 891-908; Clopper and Pearson 1934, Biometrika 26,
404-413.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, log, log1p, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

EXACT_ITEMS = 60
"""Up to this many items the p-value is enumerated over all trinomials (below 0.1 s)."""

POWER = 0.8
"""Chance of being noticed that `detectable_loss` and `enough_items` ask for."""

LEAST_LEVEL = 1e-300
"""A lower level, of an exam that refused 1e99 candidates, is taken for this one."""

_NUISANCE_POINTS = 40
_STEPS = 22
_GRID, _ROUNDS = 256, 5
"""Places at which the score is taken at once, and how often: a bound is known to 1e-12."""

_TIE = 1e-9
_SLACK = 1e-3
"""A count that is this close to a whole number is that number."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How the answers to `items` items changed: `worse` right to wrong, `better` wrong to right."""

    worse: int
    better: int
    items: int

    def __post_init__(self) -> None:
        same = self.items - self.worse - self.better
        if self.items < 1 or min(self.worse, self.better, same) < 0:
            raise ValueError(f"impossible counts: {self}")

    @property
    def loss(self) -> float:
        """Observed loss of accuracy, in [-1, 1]; a gain is negative."""
        return (self.worse - self.better) / self.items

    @property
    def churn(self) -> float:
        """Share of items whose answer changed between right and wrong."""
        return (self.worse + self.better) / self.items

    def swapped(self) -> Changes:
        """Return the changes as seen with the two models exchanged."""
        return Changes(self.better, self.worse, self.items)


def restricted_better(worse: Any, better: Any, items: int, loss: Any) -> Any:
    """Return the maximum-likelihood P(better) among trinomials whose loss is `loss`.

    `worse`, `better`: counts, any one shape; the result has that shape. `loss`: a number, or
    many where the counts are one. The closed form is the larger root of a quadratic; P(worse) is
    the result plus `loss`.
    Source: Tango 1998, Statistics in Medicine 17, 891-908, equation 5.
    """
    middle = -(worse + better) + (2 * items - worse + better) * loss
    last = -better * loss * (1 - loss)
    root = (np.sqrt(np.maximum(middle**2 - 8 * items * last, 0)) - middle) / (4 * items)
    return np.clip(root, np.maximum(0.0, -loss), (1 - loss) / 2)


def score(worse: Any, better: Any, items: int, loss: Any) -> Any:
    """Return Tango's statistic against the hypothesis that the loss is `loss`.

    Standard normal in the limit; positive when the observed loss is larger. Where the
    hypothesis leaves no variance it is zero or infinite.
    """
    excess = worse - better - items * loss
    spread = items * (2 * restricted_better(worse, better, items, loss) + loss * (1 - loss))
    safe = np.sqrt(np.maximum(spread, 1e-12))
    return np.where(np.abs(excess) < _TIE, 0.0, excess / safe)


def upper_quantile(alpha: float) -> float:
    """Return the upper `alpha` quantile of the normal law, for a level as low as can be."""
    return -NormalDist().inv_cdf(max(alpha, LEAST_LEVEL))


def loss_p_value(
    changes: Changes, margin: float = 0.0, exact: bool = True, corrected: bool = True
) -> float:
    """Return the one-sided p-value against "the loss is `margin` or less".

    `exact`, `corrected`: as for `upper_bound`.
    """
    return _p_value(changes.swapped(), -margin, exact, corrected)


def within_p_value(changes: Changes, margin: float) -> float:
    """Return the one-sided p-value against "the loss is `margin` or more"."""
    return _p_value(changes, margin)


@lru_cache(maxsize=4096)
def upper_bound(
    changes: Changes, alpha: float, exact: bool = True, corrected: bool = True
) -> float:
    """Return the one-sided upper bound of the loss at confidence 1 - `alpha`, in [-1, 1].

    Args:
        changes: the counts.
        alpha: chance that the loss lies above the bound.
        exact: enumerate all trinomials where there are `EXACT_ITEMS` items or fewer.
        corrected: elsewhere, be exact where all changes went one way; else the normal limit
            alone serves, as for documents up to format 3.
    Law: `upper_bound(c, a) == -lower_bound(c.swapped(), a)`.
    """
    alpha = max(alpha, LEAST_LEVEL)
    if not corrected or (exact and changes.items <= EXACT_ITEMS):
        return last_accepted(changes, lambda loss: _p_value(changes, loss, exact, False) > alpha)
    return _if_one_way(_score_bound(changes, alpha), changes.items, alpha)


def lower_bound(
    changes: Changes, alpha: float, exact: bool = True, corrected: bool = True
) -> float:
    """Return the one-sided lower bound of the loss at confidence 1 - `alpha`, in [-1, 1]."""
    return -upper_bound(changes.swapped(), alpha, exact, corrected)


def smallest_passing(margin: float, alpha: float) -> int:
    """Return how many items an exam needs to pass if both models answer all of them alike.

    `margin`: in (0, 1], where 1 bounds nothing; `alpha`: level of the bound. With fewer, the bound
    of the loss is not below the margin, unless something got better.
    """
    items = max(1, ceil(log(alpha) / log1p(-margin))) if margin < 1 else 1
    while margin < 1 and upper_bound(Changes(0, 0, items), alpha) >= margin:
        items += 1
    return items


def last_accepted(changes: Changes, accepts: Callable[[float], bool]) -> float:
    """Return the largest loss from the observed one to 1 that `accepts`, by bisection."""
    inside, outside = changes.loss, 1.0
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if accepts(middle) else (inside, middle)
    return outside


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values: those up to alpha are false with chance alpha at most.

    Source: Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    return list(holm_rows(np.asarray(p_values, float)).tolist())


def holm_rows(p_values: Any) -> Any:
    """Return `holm` of each row of an array, (..., tests)."""
    order = np.argsort(p_values, axis=-1, kind="stable")
    ranked = np.take_along_axis(p_values, order, -1) * np.arange(p_values.shape[-1], 0, -1)
    adjusted = np.empty_like(ranked)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(ranked, -1), 1.0), -1)
    return adjusted


def detectable_loss(changes: Changes, alpha: float) -> float:
    """Return the smallest true loss that this exam would have noticed in 4 cases of 5.

    The churn is taken as observed, or as the loss itself where that is larger.
    Source: Connor 1987, Biometrics 43, 207-211 (power of McNemar's test).
    """
    inside, outside = 0.0, 1.0
    for _ in range(40):
        loss = (inside + outside) / 2
        churn = max(changes.churn, loss)
        needed = (
            upper_quantile(alpha) * churn**0.5
            + upper_quantile(1 - POWER) * (churn - loss * loss) ** 0.5
        )
        noticed = loss * changes.items**0.5 >= needed
        inside, outside = (inside, loss) if noticed else (loss, outside)
    return outside


def enough_items(changes: Changes, margin: float, alpha: float) -> int:
    """Return about how many items would settle an open verdict, were the rates as observed.

    A loss below `margin` needs its upper bound below the margin, a larger one its lower bound
    above it. So far the distance is mostly noise, so at least half the margin is taken for it; the
    churn is smoothed by one change; the result is rounded up to two digits.
    """
    churn = (changes.worse + changes.better + 1) / (changes.items + 1)
    distance = max(abs(margin - max(changes.loss, 0.0)), margin / 2)
    needed = (upper_quantile(alpha) + upper_quantile(1 - POWER)) ** 2 * churn / distance**2
    needed = max(
        needed,
        1.2 * changes.items,
        log(max(alpha, LEAST_LEVEL)) / log1p(-margin) if margin < 1 else 1,
    )
    unit = 10 ** max(0, int(np.log10(needed)) - 1)
    return int(np.ceil(needed / unit) * unit)


@lru_cache(maxsize=4096)
def limits(items: int, margin: float, alpha: float) -> tuple[float, float]:
    """Return for which losses the score alone tells what the bounds of `items` items tell.

    The upper bound is below `margin` just where the score refutes the first loss, the lower
    bound above it just where the score refutes the second one. Above `EXACT_ITEMS` only.
    """
    from scipy.special import bdtr, bdtrc

    alpha = max(alpha, LEAST_LEVEL)
    z, counts = upper_quantile(alpha), np.arange(items + 1)
    # of losses alone: the fewest that do not pass, and the most that do not fail
    fewest = int((bdtr(counts, items, margin) < alpha).sum()) - _SLACK
    most = int((bdtrc(counts[:-1], items, margin) >= alpha).sum()) + _SLACK

    def wilson(count: float, side: int) -> float:
        spread = sqrt(max(0.0, z * z / 4 + count * (1 - count / items)))
        return (count + z * z / 2 + side * z * spread) / (items + z * z)

    beyond = min(wilson(most, -1), (most - z * z) / (items + z * z))
    return min(margin, wilson(fewest, 1)), max(margin, beyond)


def p_values_not_above(worse: Any, better: Any, items: int, loss: float) -> Any:
    """Return the p-values against "the loss is at least `loss`", for counts of one shape.

    The larger of the normal limit and, at the far end of the nuisance, the binomial chance of
    a score as low: there nothing gets better (nothing worse, where `loss` is below zero), and
    the score is a known function of the one count that is left.
    """
    from scipy.special import bdtr, bdtrc, ndtr

    statistic, rate = score(worse, better, items, loss), abs(loss)
    spread, usual = sqrt(items * rate * (1 - rate)), ndtr(statistic)
    if loss > 0:
        count = np.floor(items * rate + statistic * spread + _SLACK)
        one_way = np.where(count < 0, 0.0, bdtr(np.clip(count, 0, items), items, rate))
    else:
        below = np.maximum(-statistic, 0.0)
        most = np.maximum(below * spread, (1 + rate) * below**2)
        count = np.clip(np.ceil(items * rate + most - _SLACK), 0, items)
        one_way = np.where(count < 1, 1.0, bdtrc(np.maximum(count - 1, 0), items, rate))
    return np.maximum(usual, one_way) if loss else usual


def _p_value(changes: Changes, loss: float, exact: bool = True, corrected: bool = True) -> float:
    """Return the p-value against "the loss is at least `loss`": small when it is shown lower."""
    worse, better, items = changes.worse, changes.better, changes.items
    if corrected and not (exact and items <= EXACT_ITEMS):
        return float(p_values_not_above(worse, better, items, loss))
    observed = score(worse, better, items, loss)
    if items > EXACT_ITEMS or not exact:
        return NormalDist().cdf(float(observed))
    lost, gained, coefficient = _outcomes(items)
    low = score(lost, gained, items, loss) <= observed + _TIE
    return _largest_probability(lost[low], gained[low], coefficient[low], changes, loss)


def _score_bound(changes: Changes, alpha: float) -> float:
    """Return the largest loss that the score does not refute, by repeated division in `_GRID`."""
    inside, outside, limit = changes.loss, 1.0, -upper_quantile(alpha)
    for _ in range(_ROUNDS):
        grid = np.linspace(inside, outside, _GRID + 1)
        refuted = score(changes.worse, changes.better, changes.items, grid[1:]) < limit
        if not refuted.any():
            return outside
        place = int(refuted.argmax())
        inside, outside = float(grid[place]), float(grid[place + 1])
    return outside


def _if_one_way(bound: float, items: int, alpha: float) -> float:
    """Return a bound of the score, widened to the exact one if all changes had gone one way.

    The count that went that way is the one whose score has this very bound: of w losses alone
    it is (w - n b) / sqrt(n b (1 - b)); of b gains alone, against a gain g, likewise, but
    no further out than (b - n g) = (1 + g) times its square (equation 5 solved for that case).
    """
    from scipy.special import betaincinv

    z, rate = upper_quantile(alpha), abs(bound)
    spread = z * sqrt(items * rate * (1 - rate))
    if bound > 0:
        count = min(floor(items * rate - spread + _SLACK), items)
        if not 0 <= count < items:
            return bound
        return max(bound, 1 - float(betaincinv(items - count, count + 1, alpha)))
    count = min(ceil(items * rate + max(spread, (1 + rate) * z * z) - _SLACK), items)
    return -min(rate, float(betaincinv(count, items - count + 1, alpha)))


def _largest_probability(
    worse: Any, better: Any, coefficient: Any, changes: Changes, loss: float
) -> float:
    """Return the largest chance of a set of outcomes over all trinomials with this loss.

    `worse`, `better`, `coefficient`: shape (outcomes,). The nuisance P(better) runs over a
    grid that is denser at its low end. Source: Chan and Zhang 1999, Biometrics 55, 1202.
    """
    from scipy.special import xlogy

    low, high = max(0.0, -loss), (1 - loss) / 2
    grid = low + (high - low) * np.linspace(0, 1, _NUISANCE_POINTS)[:, None] ** 2
    same = changes.items - worse - better
    logs = xlogy(worse, np.maximum(grid + loss, 0)) + xlogy(better, grid)
    logs += xlogy(same, np.maximum(1 - 2 * grid - loss, 0)) + coefficient
    return float(min(1.0, np.exp(logs).sum(axis=1).max()))


@lru_cache(maxsize=EXACT_ITEMS)
def _outcomes(items: int) -> tuple[Any, Any, Any]:
    """Return every (worse, better) of `items` items and the log multinomial coefficient."""
    from scipy.special import gammaln

    grid = np.indices((items + 1, items + 1)).reshape(2, -1)
    worse, better = grid[:, grid.sum(axis=0) <= items]
    same = items - worse - better
    coefficient = gammaln(items + 1) - gammaln(worse + 1) - gammaln(better + 1)
    return worse, better, coefficient - gammaln(same + 1)
