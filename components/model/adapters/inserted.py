"""The small networks that bottleneck adapters insert behind linear modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Adapter(nn.Module):
    """up(relu(down(y))), float32 whatever y is; zero at first."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, size), nn.Linear(size, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, given: Tensor) -> Tensor:
        """Return what is added to `given`, (..., width)."""
        found: Tensor = self.up(torch.relu(self.down(given.to(self.down.weight.dtype))))
        return found.to(given.dtype)


class Adapted(nn.Module):
    """A linear module with an adapter behind it. `on`: it is not left out of this pass."""

    def __init__(self, module: nn.Module, width: int, size: int) -> None:
        super().__init__()
        self.module, self.adapter, self.on = module, Adapter(width, size), True

    def forward(self, given: Tensor) -> Tensor:
        """Return the module's output and, unless it is left out, the adapter's."""
        found: Tensor = self.module(given)
        return found + self.adapter(found) if self.on else found

    def __getattr__(self, name: str) -> Any:
        """Answer for the module what architectures ask of it, such as `weight`."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)


def drop_at_random(model: nn.Module, layers: list[list[Adapted]], most: int) -> None:
    """Before each training pass, leave out the adapters of 0 to `most` of the lowest layers.

    While a trained model is only asked, it answers as it will: without all `most` of them.
    """

    def draw(*_: Any) -> None:
        learning = layers[0][0].adapter.training
        left_out = int(torch.randint(most + 1, ())) if learning else most
        for place, inserted in enumerate(layers):
            for each in inserted:
                each.on = place >= left_out

    model.register_forward_pre_hook(draw)
