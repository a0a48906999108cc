"""OSF: a weight's large singular directions stay; only the small ones move, and across them.

What is stored is the weights. Each lesson takes its parent's apart again, so what an earlier one
learned is among the large directions if it matters.

Source: Nayak et al. 2025, Sculpting Subspaces: Constrained Full Fine-Tuning in LLMs for Continual
Learning, section 3; the decomposition and its gradients are `peft`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..adapters.in_place import Names, in_place_method
from ..adapters.targets import TARGETS, needs_linear, pattern_of, target_modules
from ..quiet_loading import quiet_transformers

if TYPE_CHECKING:
    from torch import Tensor, nn


def names(fork: nn.Module, settings: Any) -> Names:
    """Return the weights of the adapted modules."""
    return [f"{name}.weight" for name in target_modules(fork, settings)]


def decompose(fork: nn.Module, changed: Names, settings: Any) -> nn.Module:
    """Let the small singular directions of the changed weights be trained."""
    from peft import OSFConfig, TaskType, get_peft_model

    own = OSFConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        effective_rank=float(settings.kept_share),
        target_modules=pattern_of([name.removesuffix(".weight") for name in changed]),
    )
    with quiet_transformers():
        adapted: nn.Module = get_peft_model(fork, own)
    return adapted


def weight(model: Any, name: str) -> Tensor:
    """Return the weight as it is now: what it was, and what the directions moved by."""
    module = model.base_model.model.get_submodule(name.removesuffix(".weight"))
    found: Tensor = module.get_base_layer().weight + module.get_delta_weight("default")
    return found.detach()


METHOD = in_place_method(
    names,
    shape=(*TARGETS, "kept_share"),
    train=decompose,
    value=weight,
    refusal=needs_linear,
    vector=None,
)
