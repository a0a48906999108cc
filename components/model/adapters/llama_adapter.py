"""LLaMA-Adapter: learned tokens in the attention of the top layers, behind a gate at zero.

Source: Zhang et al. 2023, LLaMA-Adapter: Efficient Fine-tuning with Zero-init Attention, section 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..adapters.method import DRAWN, peft_method

if TYPE_CHECKING:
    from components.settings.adapter import LlamaAdapterSettings


def config(fork: Any, settings: LlamaAdapterSettings) -> Any:
    """Return the `peft` config."""
    from peft import AdaptionPromptConfig, TaskType

    there = int(fork.config.num_hidden_layers)
    return AdaptionPromptConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        adapter_len=settings.tokens,
        adapter_layers=there if settings.layers == "all" else min(int(settings.layers), there),
    )


def refusal(fork: Any, settings: Any) -> str | None:
    """Refuse all but the decoders that `peft` knows."""
    from peft.tuners.adaption_prompt.config import TRANSFORMERS_MODEL_CONFIG

    kinds = sorted(TRANSFORMERS_MODEL_CONFIG)
    if fork.config.model_type in kinds:
        return None
    return f"it needs a decoder ({', '.join(kinds)}), and the base is {fork.config.model_type}"


METHOD = replace(peft_method(config, shape=("layers", "tokens")), refusal=refusal, vector=DRAWN)
