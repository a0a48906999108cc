"""What answering costs: each method's pass beside the base's own, in turn, in the same process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.bench.plan import Row
from components.errors import ConfigError
from components.model.adapters import METHODS
from components.model.adapters.method import trainable_weights
from components.model.determinism import reproducible
from components.model.encoding import pooled
from components.model.placement import Placement
from components.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from components.model.base import Base

TOKENS = 24
PASSES = {1: 60, 32: 12}
"""How often a batch of so many texts is passed through each of the two."""


def latency(base: Base, row: Row) -> dict[str, Any]:
    """Return a method's time a pass as a share of the base's, at batch 1 and 32.

    The adapter is loaded as it is served: merged where the method can be. Its weights are moved at
    random, so that what is merged is something; `difference` is the largest one between the merged
    and the unmerged model's states.
    """
    import torch

    settings = Settings.model_validate({"adapter": dict(row.adapter)}).adapter
    method, placement = METHODS[settings.method], Placement("cpu", "float32", 64, 1, alone=True)
    words = int(base.model.get_input_embeddings().weight.shape[0])  # type: ignore[operator]
    if reason := method.refusal(base.model, settings):
        return {"refused": reason}

    def sample() -> list[dict[str, Tensor]]:
        ids = torch.randint(words, (16, TOKENS))
        return [{"input_ids": ids, "attention_mask": torch.ones_like(ids)}]

    with reproducible(0, 1), TemporaryDirectory() as folder, torch.inference_mode(False):
        try:
            made = method.attach(base.fork(placement), settings, sample)
        except ConfigError as refusal:
            return {"refused": refusal.message}
        with torch.no_grad():
            for weight in trainable_weights(made):
                weight += 0.01 * torch.randn(weight.shape) * weight.abs().mean().clamp(min=0.1)
        method.save(made, base.name, Path(folder) / "adapter")
        served = method.load(base.fork(placement), Path(folder) / "adapter", False)
        inputs = {size: torch.randint(words, (size, TOKENS)) for size in PASSES}
        before = _states(served, inputs[32])
        if method.merge is not None:
            served = method.merge(served)
        apart = float((_states(served, inputs[32]) - before).abs().max())
        served.eval().requires_grad_(False)
        found: dict[str, Any] = {
            f"batch {size}": _ratio(served, base.fork(placement), ids)
            for size, ids in inputs.items()
        }
    found["difference"] = apart if method.merge else None
    found["costs"] = method.extra_cost
    return found


def _states(model: nn.Module, ids: Tensor) -> Tensor:
    import torch

    with torch.no_grad():
        return pooled(model.eval(), ids, torch.ones_like(ids))


def _ratio(served: nn.Module, plain: nn.Module, ids: Tensor) -> float:
    import torch

    def timed(model: nn.Module) -> Callable[[], float]:
        def once() -> float:
            began = time.perf_counter()
            _states(model, ids)
            return time.perf_counter() - began

        return once

    sides = [timed(served), timed(plain)]
    for side in sides:
        side()
    rounds = [[side() for side in sides] for _ in range(PASSES[len(ids)])]
    assert torch.get_num_threads() == 1
    return statistics.median(one for one, _ in rounds) / statistics.median(two for _, two in rounds)
