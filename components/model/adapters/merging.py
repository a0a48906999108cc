"""Adding an adapter into the weights, so that it costs nothing where it only answers.

Promise: the base's own weights are left alone; what is added to is a copy of the adapted ones.
The answers are the adapter's up to the rounding of the number format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def merge_peft(adapted: nn.Module) -> nn.Module:
    """Return the plain model that computes what a `peft` model does."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from torch import nn

    for module in adapted.modules():
        if isinstance(module, BaseTunerLayer):
            layer = module.get_base_layer()
            for name, weight in layer.named_parameters(recurse=False):
                setattr(layer, name, nn.Parameter(weight.detach().clone(), requires_grad=False))
    tuner: Any = adapted.base_model
    merged: nn.Module = tuner.merge_and_unload()
    return merged
