"""How many top layers to adapt: more, as long as they are worth their seconds.

Concept: the first batch is tried at several depths. Half of its rows is trained on and the
other half judged, then the other way round, so every row has a say. A layer more is a longer
backward pass and a layer less that is computed once. Going deeper must bring `POINTS_WANTED`
of accuracy for each doubling of the training's CPU seconds.

A busy machine only makes a try slower. So the depths are tried in turn, and the faster of a
depth's two tries counts for both; how far they were apart is said with the choice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.model.placement import placement_of
from components.model.progress import Progress, silent
from components.settings import SequentialSettings
from components.training.candidate import Lesson, learn

if TYPE_CHECKING:
    from components.items import Item
    from components.model.activation_cache import ActivationCache
    from components.model.base import Base
    from components.settings import Settings

TRIED_ROWS = 2000
"""Rows of the first batch that are used at most."""

MIN_ROWS = 200
"""Fewer can't tell depths apart."""

POINTS_WANTED = 1.0
"""Points of accuracy that must come with each doubling of the seconds."""

USUAL = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """One depth: how many of the judged rows it answers correctly, and CPU seconds of training.

    `spread`: how much longer the slower of its two tries took, as a share.
    """

    layers: int
    right: int
    rows: int
    seconds: float
    spread: float = 0.0

    @property
    def accuracy(self) -> float:
        """The share of rows answered correctly, in percent."""
        return 100 * self.right / self.rows


def depth_worth_its_seconds(
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
        progress: told (tries made, tries).
        cache: where the frozen layers' states are kept.
    """
    rows = sorted(items, key=lambda item: item.digest)[:TRIED_ROWS]
    depths = _depths(base)
    if len(rows) < MIN_ROWS:
        return min(USUAL, depths[-1]), f"the first batch has too few rows to decide ({len(rows)})"
    tries: dict[int, list[tuple[int, float]]] = {layers: [] for layers in depths}
    for half in (0, 1):
        for place, layers in enumerate(depths, start=1):
            tries[layers].append(_try(base, rows, half, _at(settings, layers), cache))
            progress(half * len(depths) + place, 2 * len(depths))
    trials = [_trial(layers, tries[layers], len(rows)) for layers in depths]
    found = ", ".join(f"{t.layers}: {t.accuracy:.1f} % in {t.seconds:.0f} s" for t in trials)
    spread = 100 * max(t.spread for t in trials)
    why = (
        f"more layers must bring {POINTS_WANTED:g} points for each doubling of the seconds "
        f"({found}; two tries of a depth were up to {spread:.0f} % apart)"
    )
    return decide(trials).layers, why


def _trial(layers: int, tries: Sequence[tuple[int, float]], rows: int) -> Trial:
    """Return a depth's result from its two tries: (rows answered correctly, seconds)."""
    fast, slow = sorted(seconds for _, seconds in tries)
    return Trial(layers, sum(right for right, _ in tries), rows, 2 * fast, slow / fast - 1)


def decide(trials: Sequence[Trial]) -> Trial:
    """Return the trial behind which no deeper one is worth its seconds.

    Args:
        trials: shallow first. One that took less time than a shallower one costs nothing.
    """
    chosen, *deeper = trials
    for trial in deeper:
        doublings = max(0.0, math.log2(trial.seconds / chosen.seconds))
        gained = trial.accuracy - chosen.accuracy
        if gained > 0 and gained >= POINTS_WANTED * doublings:
            chosen = trial
    return chosen


def _depths(base: Base) -> list[int]:
    from components.model.layers import layer_stack

    count = len(layer_stack(base.model)[1])
    return sorted({depth for depth in (1, 2, 3, count // 2, count) if 1 <= depth <= count})


def _at(settings: Settings, layers: int) -> Settings:
    """Return the root's settings at a depth, and a plain strategy, which always adapts."""
    adapter = settings.adapter.model_copy(update={"layers": layers})
    plain = SequentialSettings()
    return settings.model_copy(update={"adapter": adapter, "strategy": plain})


def _try(
    base: Base,
    rows: Sequence[Item],
    half: int,
    settings: Settings,
    cache: ActivationCache | None,
) -> tuple[int, float]:
    """Train on every other row, from row `half` on, and answer the rest: (right, CPU seconds)."""
    from components.model.answering import predict

    taught, judged = tuple(rows[half::2]), rows[1 - half :: 2]
    lesson = Lesson("trial", taught, None, {}, "", ())
    with TemporaryDirectory() as folder:
        began = time.process_time()
        bundle = learn(base, Path(folder), lesson, settings, cache=cache)
        seconds = time.process_time() - began
        texts = [item.content for item in judged]
        given = predict(base, bundle, texts, placement_of(settings), cache).labels
    return sum(label == item.label for label, item in zip(given, judged, strict=True)), seconds
