"""LoRA adapters as points: the mean of two products, not the product of two means.

Promise: writing what was read changes the update by rounding alone; the mean of several updates
has a higher rank than each, and its largest components are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..adapters.method import Vector

if TYPE_CHECKING:
    from torch import Tensor, nn

ADAPTER = "default"


def lora_modules(model: nn.Module) -> dict[str, Any]:
    """Return the modules that LoRA adapts, by full name."""
    from peft.tuners.lora import LoraLayer

    return {name: each for name, each in model.named_modules() if isinstance(each, LoraLayer)}


def _read(model: nn.Module) -> dict[str, Tensor]:
    """Return B A of each module, (out, in), without its scale, which all versions share."""
    found = {}
    for name, module in lora_modules(model).items():
        down, up = module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight
        found[name] = up.detach() @ down.detach()
        for place, size in _sizes(name, module):
            found[place] = size.detach().clone()
    return found


def _sizes(name: str, module: Any) -> list[tuple[str, Tensor]]:
    """Return what DoRA learns beside A and B."""
    return [(f"{name}.size", each.weight) for each in module.lora_magnitude_vector.values()]


def _write(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Put in the best approximation of each matrix, evenly shared out between A and B."""
    import torch

    with torch.no_grad():
        for name, module in lora_modules(model).items():
            down, up = module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight
            rank = down.shape[0]
            left, sizes, right = torch.linalg.svd(values[name], full_matrices=False)
            root = sizes[:rank].sqrt()
            up.copy_(left[:, :rank] * root)
            down.copy_(root[:, None] * right[:rank])
            for place, size in _sizes(name, module):
                size.copy_(values[place])


def widen(model: Any, ranks: int) -> None:
    """Add so many ranks to each module, in place: a random A and a B of zeros; the scale stays."""
    import torch
    from torch import nn

    for module in lora_modules(model).values():
        down, up = module.lora_A[ADAPTER], module.lora_B[ADAPTER]
        more = torch.empty_like(down.weight[:1]).repeat(ranks, 1)
        nn.init.kaiming_uniform_(more, a=5**0.5)
        zeros = up.weight.new_zeros(len(up.weight), ranks)
        down.weight = nn.Parameter(torch.cat([down.weight.detach(), more]))
        up.weight = nn.Parameter(torch.cat([up.weight.detach(), zeros], 1))
        module.r[ADAPTER] += ranks
    config = model.peft_config[ADAPTER]
    config.r += ranks
    config.lora_alpha = module.scaling[ADAPTER] * config.r ** (0.5 if config.use_rslora else 1.0)


LOW_RANK = Vector(_read, _write)
