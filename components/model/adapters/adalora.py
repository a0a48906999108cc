"""AdaLoRA: LoRA that begins with half as much rank again and keeps what matters.

Each lesson deals the ranks out once more, so one that brings something else can use other ones.

Source: Zhang et al. 2023, AdaLoRA, sections 3.1 (penalty) and 3.2 (allocation).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..adapters.merging import merge_peft
from ..adapters.method import DRAWN, peft_method
from ..adapters.targets import TARGETS, target_pattern

if TYPE_CHECKING:
    from torch import Tensor, nn

    from components.settings.adapter import AdaloraSettings

ORTHOGONALITY = 0.1
"""Weight of the penalty that keeps the directions apart; the paper's."""

MIN_STEPS = 6
"""Fewer are too few to tell what matters; then all ranks stay."""


def config(fork: nn.Module, settings: AdaloraSettings) -> Any:
    """Return the `peft` config; the steps are known when the loop begins."""
    from peft import AdaLoraConfig, TaskType

    return AdaLoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        init_r=settings.rank + -(-settings.rank // 2),
        target_r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=target_pattern(fork, settings),
        total_step=1_000_000,
    )


def penalty(model: nn.Module) -> Tensor | float:
    """Return the distance of the directions from orthogonal ones, (mean over the matrices)."""
    import torch

    parts = []
    for name, weight in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            gram = weight @ weight.T if "lora_A" in name else weight.T @ weight
            apart = torch.eye(len(gram), device=gram.device)
            parts.append((gram - apart).norm())
    return ORTHOGONALITY * torch.stack(parts).mean()


def deal_ranks(model: nn.Module, done: int, steps: int) -> None:
    """Prune between a sixth and two thirds of the steps; then the ranks stay as they are."""
    tuner: Any = model.base_model
    own = tuner.peft_config["default"]
    own.total_step, own.tinit, own.tfinal = steps, steps // 6, steps // 3
    if steps >= MIN_STEPS:
        tuner.update_and_allocate(done)
    if done == steps:
        own.rank_pattern = None  # all triplets are saved, those of rank zero as zeros


METHOD = replace(
    peft_method(config, shape=(*TARGETS, "alpha", "rank")),
    penalty=penalty,
    after_step=deal_ranks,
    merge=merge_peft,
    vector=DRAWN,
)
