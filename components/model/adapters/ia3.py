"""(IA)3: a learned factor for each number that an adapted module gives, or takes if it narrows.

Source: Liu et al. 2022, Few-Shot Parameter-Efficient Fine-Tuning, section 3.3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..adapters.merging import merge_peft
from ..adapters.method import TRAINED, peft_method
from ..adapters.targets import TARGETS, narrowing, pattern_of, target_modules

if TYPE_CHECKING:
    from torch import nn

    from components.settings.adapter import Ia3Settings


def config(fork: nn.Module, settings: Ia3Settings) -> Any:
    """Return the `peft` config."""
    from peft import IA3Config, TaskType

    targets = target_modules(fork, settings)
    return IA3Config(
        task_type=TaskType.FEATURE_EXTRACTION,
        target_modules=pattern_of(targets),
        feedforward_modules=pattern_of(narrowing(fork, targets)),
    )


METHOD = replace(peft_method(config, shape=TARGETS), merge=merge_peft, vector=TRAINED)
