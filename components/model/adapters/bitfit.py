"""BitFit: every bias of the adapted layers.

Source: Ben Zaken et al. 2022, BitFit: Simple Parameter-efficient Fine-tuning, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..adapters.in_place import Names, in_place_method, put, train_as_they_are, value_of
from ..adapters.targets import in_layers

if TYPE_CHECKING:
    from torch import nn


def names(fork: nn.Module, settings: Any) -> Names:
    """Return the biases of linear modules and norms."""
    return [
        f"{name}.bias"
        for name, module in in_layers(fork, settings.layers)
        if "bias" in dict(module.named_parameters(recurse=False))
    ]


def refusal(fork: nn.Module, settings: Any) -> str | None:
    """Refuse a base without biases."""
    return None if names(fork, settings) else "the base's layers have no biases"


def train(fork: nn.Module, biases: Names, settings: Any) -> nn.Module:
    """Let the biases be trained; a norm computes in one format, so its weight gets the bias's."""
    own = dict(fork.named_parameters())
    beside = (name.removesuffix("bias") + "weight" for name in biases)
    norms = [name for name in beside if name in own and own[name].dim() == 1]
    put(fork, {name: value_of(fork, name).float() for name in norms})
    return train_as_they_are(fork, biases, settings)


METHOD = in_place_method(names, shape=("layers",), train=train, refusal=refusal)
