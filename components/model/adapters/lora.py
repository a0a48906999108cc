"""LoRA: a low-rank update beside each adapted linear module.

Source: Hu et al. 2022, LoRA: Low-Rank Adaptation of Large Language Models, section 4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..adapters.merging import merge_peft
from ..adapters.method import peft_method

if TYPE_CHECKING:
    from torch import nn

    from components.settings import LoraSettings


def config(settings: LoraSettings, targets: str) -> Any:
    """Return the `peft` config; `targets` is a pattern of full module names."""
    from peft import LoraConfig, TaskType

    return LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
    )


def finish(model: nn.Module) -> None:
    """Let plain LoRA modules compute the fused way."""
    from ..adapters.fused_lora import fuse

    fuse(model)


METHOD = replace(
    peft_method(config, finish, shape=("alpha", "dropout", "rank")),
    merge=merge_peft,
)
