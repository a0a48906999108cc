"""Which number format to compute in on this machine: measured once, on the first batch.

Concept: a busy machine only makes a run slower, and is busy for a while. So both formats run in
turn, in rounds, and the fastest run of each counts. Rounds that contradict each other are followed
by more, up to a limit; how many agreed with the choice is recorded with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from components.model.determinism import fixed_threads
from components.model.placement import Placement, Precision, placement_of

if TYPE_CHECKING:
    from components.model.base import Base
    from components.settings import Settings

GAIN = 1.3
"""How much faster bfloat16 must be to be chosen."""

ROUNDS, MOST_ROUNDS = 10, 60
"""How many rounds there are at least, and at most as long as they contradict each other."""

AGREEING = 0.8
"""The share of rounds that must say what the fastest runs say."""

LIKENESS = 0.99
"""Least cosine between the features of one text in both formats; MiniLM's is above 0.999."""


def probe(base: Base, settings: Settings) -> tuple[Precision, str]:
    """Return the format to compute in on this machine, and why, in words for people.

    Rows of one fixed shape through the lower layers, both formats in turn; takes a second, a few
    on a busy machine.
    """
    shape = [[7] * 32] * 8
    given = placement_of(settings)
    runs = {name: _forward(base, replace(given, precision=name), shape) for name in _FORMATS}
    with fixed_threads(given.threads):
        features = {name: run() for name, run in runs.items()}
        speed = compare(runs["float32"], runs["bfloat16"])
    likeness = _cosine(features["float32"], features["bfloat16"])
    if likeness < LIKENESS:
        return "float32", f"in bfloat16 the base's features differ (cosine {likeness:.3f})"
    if speed.gain < GAIN:
        slower = f"bfloat16 takes {1 / speed.gain:.1f} times as long here"
        return "float32", f"{slower} ({speed.sureness})"
    return (
        "bfloat16",
        f"it is {speed.gain:.1f} times as fast here ({speed.sureness}), with the same features "
        f"(cosine {likeness:.4f})",
    )


@dataclass(frozen=True, slots=True)
class Speed:
    """How many times as fast the second of two was; `ratios`: in each round."""

    gain: float
    ratios: tuple[float, ...]

    @property
    def agreeing(self) -> int:
        """How many rounds are on the same side of `GAIN` as the fastest runs."""
        return sum((ratio < GAIN) == (self.gain < GAIN) for ratio in self.ratios)

    @property
    def sureness(self) -> str:
        """How many of the rounds said so, and how far apart they were, in words."""
        low, high = min(self.ratios), max(self.ratios)
        said = f"{self.agreeing} of {len(self.ratios)} rounds agree"
        return f"{said}, from {low:.1f} to {high:.1f} times as fast"


def compare(one: Callable[[], Any], other: Callable[[], Any]) -> Speed:
    """Run two in turn, each first in every other round; return how they compare."""
    fastest, ratios = [float("inf"), float("inf")], list[float]()
    while True:
        order = (0, 1) if len(ratios) % 2 else (1, 0)
        taken = {which: _seconds((one, other)[which]) for which in order}
        fastest = [min(fastest[which], taken[which]) for which in (0, 1)]
        ratios.append(taken[0] / taken[1])
        speed = Speed(fastest[0] / fastest[1], tuple(ratios))
        sure = speed.agreeing >= AGREEING * len(ratios)
        if len(ratios) >= (ROUNDS if sure else MOST_ROUNDS):
            return speed


_FORMATS: tuple[Precision, ...] = ("float32", "bfloat16")


def _forward(base: Base, placement: Placement, rows: list[list[int]]) -> Callable[[], Any]:
    import torch

    from components.model.encoding import pad, pooled

    ids, mask = (each.to(placement.device) for each in pad(rows, len(rows[0]), base.pad_id))
    model = base.fork(placement)

    def run() -> Any:
        with torch.inference_mode(), placement.mixed():
            return pooled(model, ids, mask).float().cpu()

    return run


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _cosine(one: Any, other: Any) -> float:
    import torch

    return float(torch.nn.functional.cosine_similarity(one, other).min())
