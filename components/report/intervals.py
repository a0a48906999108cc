"""Where a verdict's numbers lie on an axis: geometry, no drawing.

Concept: the gate speaks of losses; a reader looks for better on the right. So the axis is
the change of accuracy in points, the loss with its sign turned, and all checks of one kind
share one axis.

Promise: zero and every number drawn lie on the axis; what is missing is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_LEAST_SPAN_POINTS = 2.0
_ROOM = 0.06


@dataclass(frozen=True, slots=True)
class Interval:
    """One verdict as changes in points; `limit` is the change that is still tolerated."""

    effect: float | None
    low: float | None
    high: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of changes, in points."""

    low: float
    high: float

    def percent(self, points: float) -> float:
        """Return where `points` lies between the ends, 0 to 100."""
        return round(100 * (points - self.low) / (self.high - self.low), 2)


def interval(verdict: Mapping[str, Any]) -> Interval:
    """Turn a verdict's losses into changes: the upper bound of the loss is the low end."""
    effect, low, high, limit = (
        None if verdict.get(name) is None else 0.0 - float(verdict[name])
        for name in ("effect_points", "upper_points", "lower_points", "margin_points")
    )
    return Interval(effect, low, high, limit)


def common_axis(intervals: Iterable[Interval]) -> Axis:
    """Return the axis that holds zero and every number of `intervals`, with some room."""
    numbers = [0.0]
    for each in intervals:
        numbers += [n for n in (each.effect, each.low, each.high, each.limit) if n is not None]
    low, high = min(numbers), max(numbers)
    lacking = max(0.0, _LEAST_SPAN_POINTS - (high - low)) / 2
    room = _ROOM * max(high - low, _LEAST_SPAN_POINTS)
    return Axis(low - lacking - room, high + lacking + room)
