"""Where and how exactly a model computes: device, number format, attention kernel.

Concept: bfloat16 halves what is stored and, on processors made for it, takes a quarter of the
time; elsewhere it is slower than float32. `probe` finds out once; from then on the choice is a
setting, because another format gives other bytes (law 7).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from components.training.determinism import fixed_threads, resolve_device

if TYPE_CHECKING:
    from components.settings import Settings
    from components.training.base import Base

Precision = Literal["float32", "bfloat16"]

GAIN = 1.3
"""How much faster bfloat16 must be to be chosen."""

LIKENESS = 0.99
"""Least cosine between the features of one text in both formats; MiniLM's is above 0.999."""

EAGER_TOKENS = 1024
"""Longest text for which the plain attention is taken on a CPU in bfloat16. PyTorch's fused one
has a backward pass there that is 2 to 12 times slower at any length (measured up to 512), but
needs no memory that grows with the length squared."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a model computes.

    device: `cpu` or `cuda`. precision: of weights and activations below the head.
    max_tokens: a text is cut there. threads: CPU threads.
    """

    device: str
    precision: Precision
    max_tokens: int
    threads: int

    @property
    def dtype(self) -> Any:
        """The PyTorch number type."""
        import torch

        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    @property
    def attention(self) -> str:
        """The attention implementation, as transformers names it."""
        slow = self.device == "cpu" and self.precision == "bfloat16"
        return "eager" if slow and self.max_tokens <= EAGER_TOKENS else "sdpa"

    def mixed(self) -> AbstractContextManager[Any]:
        """Let float32 adapters meet bfloat16 activations, each product in bfloat16."""
        import torch

        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bfloat16")


def placement_of(settings: Settings) -> Placement:
    """Return where and how these settings compute on this machine; `auto` is float32.

    Raises:
        ConfigError: there is no such device.
    """
    own = settings.training
    precision = "float32" if own.precision == "auto" else own.precision
    device = resolve_device(own.device)
    return Placement(device, precision, settings.model.max_tokens, own.threads)


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
        f"it is {gain:.1f} times as fast here, features the same (cosine {likeness:.4f})",
    )


_FORMATS: tuple[Precision, ...] = ("float32", "bfloat16")


def _forward(base: Base, placement: Placement, rows: list[list[int]]) -> Callable[[], Any]:
    import torch

    from components.training.encoding import pad, pooled

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
