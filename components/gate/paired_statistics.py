"""Estimate the loss of accuracy from two models' answers to the same items.

Concept: only the items that the two answer differently carry information. They are a
trinomial sample: `worse` (right before, wrong now), `better` (wrong before, right now) and
the rest. The loss is P(worse) - P(better), in [-1, 1]; its one-sided bounds invert Tango's
score test, by exact enumeration while the exam is small.

Promise: swapping the two models mirrors the bounds; one more worse answer never lowers
a bound; identical answers to few items still give a wide interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np

EXACT_ITEMS = 60
"""Up to this many items the p-value is enumerated (below 0.1 s); above it, the normal
limit of the score statistic is within about a point of the nominal level."""

POWER = 0.8
"""Chance of being noticed that `detectable_loss` and `enough_items` ask for."""

_NUISANCE_POINTS = 40
_STEPS = 22
_TIE = 1e-9


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


def restricted_better(worse: Any, better: Any, items: int, loss: float) -> Any:
    """Return the maximum-likelihood P(better) among trinomials whose loss is `loss`.

    `worse`, `better`: counts, any one shape; the result has that shape. The closed form is
    the larger root of a quadratic; P(worse) is the result plus `loss`.
    Source: Tango 1998, Statistics in Medicine 17, 891-908, equation 5.
    """
    middle = -(worse + better) + (2 * items - worse + better) * loss
    last = -better * loss * (1 - loss)
    root = (np.sqrt(np.maximum(middle**2 - 8 * items * last, 0)) - middle) / (4 * items)
    return np.clip(root, max(0.0, -loss), (1 - loss) / 2)


def score(worse: Any, better: Any, items: int, loss: float) -> Any:
    """Return Tango's statistic against the hypothesis that the loss is `loss`.

    Standard normal in the limit; positive when the observed loss is larger. Where the
    hypothesis leaves no variance it is zero or infinite.
    """
    excess = worse - better - items * loss
    spread = items * (2 * restricted_better(worse, better, items, loss) + loss * (1 - loss))
    safe = np.sqrt(np.maximum(spread, 1e-12))
    return np.where(np.abs(excess) < _TIE, 0.0, excess / safe)


def loss_p_value(changes: Changes, exact: bool = True) -> float:
    """Return the one-sided p-value against "the candidate is no worse" (loss <= 0)."""
    return _p_not_above(changes.swapped(), 0.0, exact)


def within_p_value(changes: Changes, margin: float) -> float:
    """Return the one-sided p-value against "the loss is `margin` or more"."""
    return _p_not_above(changes, margin)


@lru_cache(maxsize=4096)
def upper_bound(changes: Changes, alpha: float, exact: bool = True) -> float:
    """Return the one-sided upper bound of the loss at confidence 1 - `alpha`, in [-1, 1].

    `exact`: enumerate where there are `EXACT_ITEMS` items or fewer; else the normal limit
    serves any number: quick, and at 30 items within two points of the nominal level.
    Law: `upper_bound(c, a) == -lower_bound(c.swapped(), a)`.
    """
    return last_accepted(changes, lambda loss: _p_not_above(changes, loss, exact) > alpha)


def lower_bound(changes: Changes, alpha: float, exact: bool = True) -> float:
    """Return the one-sided lower bound of the loss at confidence 1 - `alpha`, in [-1, 1]."""
    return -upper_bound(changes.swapped(), alpha, exact)


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
        needed = _z(alpha) * churn**0.5 + _z(1 - POWER) * (churn - loss * loss) ** 0.5
        noticed = loss * changes.items**0.5 >= needed
        inside, outside = (inside, loss) if noticed else (loss, outside)
    return outside


def enough_items(changes: Changes, margin: float, alpha: float) -> int:
    """Return about how many items would settle an open verdict, were the rates as observed.

    A loss below `margin` needs its upper bound below the margin, a larger one its lower
    bound above zero. So far the loss is mostly noise, so more than half the margin is not
    counted against it; the churn is smoothed by one change; the result is rounded up to two digits.
    """
    churn = (changes.worse + changes.better + 1) / (changes.items + 1)
    distance = max(margin - max(changes.loss, 0.0), margin / 2)
    distance = distance if changes.loss < margin else changes.loss
    needed = (_z(alpha) + _z(1 - POWER)) ** 2 * churn / distance**2
    needed = max(needed, 1.2 * changes.items)
    unit = 10 ** max(0, int(np.log10(needed)) - 1)
    return int(np.ceil(needed / unit) * unit)


def _p_not_above(changes: Changes, loss: float, exact: bool = True) -> float:
    """Return the p-value against "the loss is at least `loss`": small when it is shown lower."""
    observed = score(changes.worse, changes.better, changes.items, loss)
    if changes.items > EXACT_ITEMS or not exact:
        return NormalDist().cdf(float(observed))
    worse, better, coefficient = _outcomes(changes.items)
    as_low = score(worse, better, changes.items, loss) <= observed + _TIE
    return _largest_probability(worse[as_low], better[as_low], coefficient[as_low], changes, loss)


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


def _z(alpha: float) -> float:
    return NormalDist().inv_cdf(1 - alpha)
