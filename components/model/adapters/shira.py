"""SHiRA: a few weights of each adapted module, drawn at random once, and as many as LoRA has.

Source: Bhardwaj et al. 2024, Sparse High Rank Adapters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..adapters.merging import merge_peft
from ..adapters.method import DRAWN, peft_method
from ..adapters.targets import TARGETS, needs_linear, target_pattern

if TYPE_CHECKING:
    from torch import nn

    from components.settings.adapter import ShiraSettings


def config(fork: nn.Module, settings: ShiraSettings) -> Any:
    """Return the `peft` config."""
    from peft import ShiraConfig, TaskType

    return ShiraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        target_modules=target_pattern(fork, settings),
    )


def finish(model: nn.Module) -> None:
    """Say that `peft`'s sparse tensors need no check of their places: it warns otherwise."""
    from torch.sparse import check_sparse_tensor_invariants

    check_sparse_tensor_invariants.disable()  # type: ignore[no-untyped-call]


METHOD = replace(
    peft_method(config, finish, shape=(*TARGETS, "rank")),
    merge=merge_peft,
    refusal=needs_linear,
    vector=DRAWN,
)
