"""What each extra check tolerates, and the consequences of its outcomes.

Concept: one class a check and one field of `CheckRules` each, named as its section under
`gate.checks` in `params.yaml`. A policy says what the outcomes ask for:

    policy   FAIL     INCONCLUSIVE   MISSING
    reject   reject   hold           reject
    hold     hold     note           hold
    note     note     note           note
    ignore   the check is not made

With many labels or slices, some open verdict is the rule, and an exam of 150 labels could never
pass. So for `classes` and `slices` under `reject`, INCONCLUSIVE holds only where the observed loss
is above the margin; else it is noted, as is a group too small to be looked at.

Promise: no check runs unless the settings ask for it. A limit that would let anything pass is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, Literal

Policy = Literal["ignore", "note", "hold", "reject"]


def _within(name: str, value: float, above: float, limit: float) -> None:
    if not (isfinite(value) and above < value <= limit):
        raise ValueError(f"{name} must be above {above:g} and at most {limit:g}, not {value}")


@dataclass(frozen=True, slots=True)
class Groups:
    """Items that share a label, or a column's value: against the champion, each by itself.

    Groups of fewer than `min_items` items are not looked at one by one; they are noted.
    """

    policy: Policy = "ignore"
    margin_points: float = 10.0
    min_items: int = 30

    def __post_init__(self) -> None:
        _within("margin_points", self.margin_points, 0, 100)
        _within("min_items", self.min_items, 0, 1_000_000)


@dataclass(frozen=True, slots=True)
class Floors:
    """Task -> the least accuracy, in percent."""

    policy: Policy = "ignore"
    percent: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for task, percent in self.percent.items():
            _within(f"the floor of {task}", percent, 0, 100)


@dataclass(frozen=True, slots=True)
class NegativeFlips:
    """The largest share of items, in points, that were right before and are wrong now."""

    policy: Policy = "ignore"
    limit_points: float = 10.0

    def __post_init__(self) -> None:
        _within("limit_points", self.limit_points, 0, 100)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How much worse the Brier score (in [0, 1]) and the calibration error may get, in points."""

    policy: Policy = "ignore"
    brier_margin_points: float = 3.0
    ece_margin_points: float = 5.0

    def __post_init__(self) -> None:
        _within("brier_margin_points", self.brier_margin_points, 0, 100)
        _within("ece_margin_points", self.ece_margin_points, 0, 100)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Cases that must keep their answers."""

    policy: Policy = "ignore"


@dataclass(frozen=True, slots=True)
class Size:
    """The most that adapter and head may weigh, in millions of bytes; None: no limit."""

    policy: Policy = "ignore"
    max_megabytes: float | None = None

    def __post_init__(self) -> None:
        if self.max_megabytes is not None:
            _within("max_megabytes", self.max_megabytes, 0, float("inf"))


@dataclass(frozen=True, slots=True)
class Latency:
    """How many times the champion's time an answer may take."""

    policy: Policy = "ignore"
    max_ratio: float = 1.5

    def __post_init__(self) -> None:
        _within("max_ratio", self.max_ratio, 0, float("inf"))


@dataclass(frozen=True, slots=True)
class CheckRules:
    """The extra checks, in the order in which they are reported."""

    floors: Floors = Floors()
    classes: Groups = Groups()
    slices: Groups = Groups()
    negative_flips: NegativeFlips = NegativeFlips()
    calibration: Calibration = Calibration()
    behaviour: Behaviour = Behaviour()
    size: Size = Size()
    latency: Latency = Latency()

    @classmethod
    def from_json(cls, values: Mapping[str, Mapping[str, Any]]) -> CheckRules:
        """Return the checks from plain values: section -> setting -> value.

        Raises:
            TypeError: a section or a setting is unknown.
        """
        kinds: dict[str, Any] = {each.name: type(each.default) for each in fields(cls)}
        unknown = sorted(values.keys() - kinds.keys())
        if unknown:
            raise TypeError(f"no such check: {', '.join(unknown)}")
        return cls(**{name: kinds[name](**section) for name, section in values.items()})


NO_CHECKS = CheckRules()
