"""Prompt tuning: learned vectors stand before the text, as if they were tokens.

Source: Lester et al. 2021, The Power of Scale for Parameter-Efficient Prompt Tuning, section 2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..adapters.method import DRAWN, its_tokens, peft_method

if TYPE_CHECKING:
    from torch import nn

    from components.settings.adapter import PromptSettings


def config(fork: nn.Module, settings: PromptSettings) -> Any:
    """Return the `peft` config."""
    from peft import PromptTuningConfig, TaskType

    return PromptTuningConfig(
        task_type=TaskType.FEATURE_EXTRACTION, num_virtual_tokens=settings.tokens
    )


METHOD = replace(
    peft_method(config, shape=("tokens",)), neutral=False, positions=its_tokens, vector=DRAWN
)
