"""Prefix tuning: learned keys and values stand before the text's own, in every layer.

Source: Li and Liang 2021, Prefix-Tuning, section 4.2, without its reparametrisation.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..adapters.method import DRAWN, its_tokens, peft_method

if TYPE_CHECKING:
    from torch import nn

    from components.settings.adapter import PrefixSettings


def config(fork: nn.Module, settings: PrefixSettings) -> Any:
    """Return the `peft` config."""
    from peft import PrefixTuningConfig, TaskType

    return PrefixTuningConfig(
        task_type=TaskType.FEATURE_EXTRACTION, num_virtual_tokens=settings.tokens
    )


def refusal(fork: nn.Module, settings: Any) -> str | None:
    """Refuse architectures that no keys and values can be handed to."""
    if "past_key_values" in inspect.signature(fork.forward).parameters:
        return None
    return f"{type(fork).__name__} takes no keys and values beside its own"


METHOD = replace(
    peft_method(config, shape=("tokens",)),
    neutral=False,
    positions=its_tokens,
    refusal=refusal,
    vector=DRAWN,
)
