"""LN tuning: the norms of the adapted layers.

Source: Zhao et al. 2024, Tuning LayerNorm in Attention.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..adapters.in_place import Names, in_place_method
from ..adapters.targets import in_layers

if TYPE_CHECKING:
    from torch import nn


def names(fork: nn.Module, settings: Any) -> Names:
    """Return the weights and biases of all modules that are called norms."""
    return [
        f"{name}.{leaf}"
        for name, module in in_layers(fork, settings.layers)
        if "norm" in type(module).__name__.lower()
        for leaf, _ in module.named_parameters(recurse=False)
    ]


def refusal(fork: nn.Module, settings: Any) -> str | None:
    """Refuse a base whose norms have no weights."""
    return None if names(fork, settings) else "the base's layers have no norm with weights"


METHOD = in_place_method(names, shape=("layers",), refusal=refusal)
