"""Adapter methods that Ratchet does not ship: put beside its own, into a copy of the code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..adapters.merging import merge_peft
from ..adapters.method import peft_method
from ..adapters.targets import target_pattern


def ia3(fork: Any, settings: Any) -> Any:
    from peft import IA3Config, TaskType

    own = ["key", "value", "output.dense"]
    kind = TaskType.FEATURE_EXTRACTION
    return IA3Config(task_type=kind, target_modules=own, feedforward_modules=own[-1:])


def dora(fork: Any, settings: Any) -> Any:
    from peft import LoraConfig, TaskType

    kind = TaskType.FEATURE_EXTRACTION
    return LoraConfig(task_type=kind, target_modules=target_pattern(fork, settings), use_dora=True)


def prompt(fork: Any, settings: Any) -> Any:
    from peft import PromptTuningConfig, TaskType

    return PromptTuningConfig(task_type=TaskType.FEATURE_EXTRACTION, num_virtual_tokens=4)


ROWS = {
    "plain ia3": peft_method(ia3),
    "ia3, merged": replace(peft_method(ia3), merge=merge_peft),
    "dora, merged": replace(peft_method(dora), merge=merge_peft),
    "prompt tuning": peft_method(prompt),
}
