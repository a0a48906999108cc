"""Which number format to compute in on this machine: measured once, on the first batch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from components.model.determinism import fixed_threads
from components.model.placement import Placement, Precision, placement_of

if TYPE_CHECKING:
    from components.model.base import Base
    from components.settings import Settings

GAIN = 1.3
"""How much faster bfloat16 must be to be chosen."""

LIKENESS = 0.99
"""Least cosine between the features of one text in both formats; MiniLM's is above 0.999."""


def probe(base: Base, settings: Settings) -> tuple[Precision, str]:
    """Return the format to compute in on this machine, and why, in words for people.

    Rows of one fixed shape through the lower layers, both formats in turn; takes a second.
    """
    shape = [[7] * 32] * 8
    given = placement_of(settings)
    runs = {name: _forward(base, replace(given, precision=name), shape) for name in _FORMATS}
    with fixed_threads(given.threads):
        features = {name: run() for name, run in runs.items()}
        seconds = {name: _median_seconds(run) for name, run in runs.items()}
    gain = seconds["float32"] / seconds["bfloat16"]
    likeness = _cosine(features["float32"], features["bfloat16"])
    if likeness < LIKENESS:
        return "float32", f"in bfloat16 the base's features differ (cosine {likeness:.3f})"
    if gain < GAIN:
        return "float32", f"bfloat16 takes {1 / gain:.1f} times as long here"
    return (
        "bfloat16",
        f"it is {gain:.1f} times as fast here, with the same features (cosine {likeness:.4f})",
    )


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


def _median_seconds(run: Callable[[], Any], rounds: int = 7) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _cosine(one: Any, other: Any) -> float:
    import torch

    return float(torch.nn.functional.cosine_similarity(one, other).min())
