"""Full fine-tuning: all weights. The upper reference, and the largest store.

With `adapter.layers: all` the embeddings are trained as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..adapters.in_place import Names, in_place_method
from ..adapters.targets import in_layers

if TYPE_CHECKING:
    from torch import nn


def names(fork: nn.Module, settings: Any) -> Names:
    """Return every weight of the adapted layers, or of the model."""
    if settings.layers == "all":
        return [name for name, _ in fork.named_parameters()]
    return [
        f"{name}.{leaf}"
        for name, module in in_layers(fork, settings.layers)
        for leaf, _ in module.named_parameters(recurse=False)
    ]


METHOD = in_place_method(names, shape=("layers",))
