"""P-tuning: prompt tuning whose vectors a small network makes, in the first lesson.

The network is not stored; later lessons train the vectors themselves.

Source: Liu et al. 2021, GPT Understands, Too, section 3.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters.method import DRAWN, its_tokens, load_peft, peft_method

if TYPE_CHECKING:
    from torch import nn

    from components.settings.adapter import PTuningSettings


def config(fork: nn.Module, settings: PTuningSettings) -> Any:
    """Return the `peft` config."""
    from peft import PromptEncoderConfig, TaskType

    return PromptEncoderConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        num_virtual_tokens=settings.tokens,
        encoder_hidden_size=settings.hidden_size,
    )


def load(fork: nn.Module, folder: Path, trainable: bool) -> nn.Module:
    """Attach the saved vectors without the network."""
    adapted: Any = load_peft(fork, folder, False)
    adapted.prompt_encoder["default"].embedding.weight.requires_grad_(trainable)
    return adapted  # type: ignore[no-any-return]


METHOD = replace(
    peft_method(config, shape=("hidden_size", "tokens")),
    load=load,
    neutral=False,
    positions=its_tokens,
    vector=DRAWN,
)
