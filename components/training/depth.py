"""How many top layers to adapt: the fewest that do as well as the best.

Concept: the first batch is tried at several depths, part of its training rows set aside to
judge by. A layer less is a shorter backward pass and one more frozen layer that is computed
once, so of depths that can't be told apart the shallowest is taken.

Source: the one-standard-error rule of Breiman et al. 1984, Classification and Regression
Trees, section 3.4.3, on paired answers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.training.candidate import Lesson, learn
from components.training.placement import placement_of
from components.training.progress import Progress, silent

if TYPE_CHECKING:
    from components.items import Item
    from components.settings import Settings
    from components.training.activation_cache import ActivationCache
    from components.training.base import Base

TRIED_ROWS = 1500
"""Rows of the first batch that are used: judged and trained on together."""

JUDGED_SHARE = 0.3
MIN_JUDGED = 30
USUAL = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """One depth: which judged rows it answers rightly, and the CPU seconds of its training."""

    layers: int
    right: tuple[bool, ...]
    seconds: float

    @property
    def accuracy(self) -> float:
        """The share of rows answered rightly."""
        return sum(self.right) / len(self.right)


def shallowest(
    base: Base,
    items: Sequence[Item],
    settings: Settings,
    progress: Progress = silent,
    cache: ActivationCache | None = None,
) -> tuple[int, str]:
    """Return how many top layers to adapt, and why, in words for people.

    Args:
        base: the frozen model.
        items: training rows of the first batch.
        settings: of the root; `adapter.layers` is what is to be found.
        progress: told (depths tried, depths).
        cache: where the frozen layers' states are kept.
    """
    rows = sorted(items, key=lambda item: item.digest)[:TRIED_ROWS]
    size = int(JUDGED_SHARE * len(rows))
    depths = _depths(base)
    if size < MIN_JUDGED:
        return min(USUAL, depths[-1]), f"the first batch has too few rows to tell ({len(rows)})"
    trials = []
    for place, layers in enumerate(depths, start=1):
        trials.append(_try(base, rows[size:], rows[:size], _at(settings, layers), cache))
        progress(place, len(depths))
    chosen = decide(trials)
    found = ", ".join(f"{t.layers}: {t.accuracy:.1%} in {t.seconds:.0f} s" for t in trials)
    return chosen.layers, f"the fewest layers within a standard error of the best ({found})"


def decide(trials: Sequence[Trial]) -> Trial:
    """Return the shallowest trial that is within one standard error of the most accurate.

    The error is that of the paired difference if there is none: the square root of the
    number of rows that one of the two answers rightly and the other does not.
    """
    best = max(trials, key=lambda trial: (trial.accuracy, -trial.layers))
    return next(trial for trial in trials if _is_as_good(trial, best))


def _is_as_good(trial: Trial, best: Trial) -> bool:
    steps = [int(b) - int(t) for t, b in zip(trial.right, best.right, strict=True)]
    return bool(sum(steps) <= sum(map(abs, steps)) ** 0.5)


def _depths(base: Base) -> list[int]:
    from components.training.layers import layer_stack

    count = len(layer_stack(base.model)[1])
    return sorted({depth for depth in (1, 2, 3, count // 2, count) if 1 <= depth <= count})


def _at(settings: Settings, layers: int) -> Settings:
    adapter = settings.adapter.model_copy(update={"layers": layers})
    return settings.model_copy(update={"adapter": adapter})


def _try(
    base: Base,
    rows: Sequence[Item],
    judged: Sequence[Item],
    settings: Settings,
    cache: ActivationCache | None,
) -> Trial:
    from components.evaluation.scoring import predict

    lesson = Lesson("trial", tuple(rows), None, {}, "", lambda references: ())
    with TemporaryDirectory() as folder:
        began = time.process_time()
        bundle = learn(base, Path(folder), lesson, settings, cache=cache)
        seconds = time.process_time() - began
        texts = [item.text for item in judged]
        given = predict(base, bundle, texts, placement_of(settings), cache).labels
    right = tuple(label == item.label for label, item in zip(given, judged, strict=True))
    return Trial(int(settings.adapter.layers), right, seconds)
