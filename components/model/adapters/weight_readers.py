"""What stands between a frozen weight and the module that computes with it, while it is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Reader(nn.Module):
    """HiWi's network: w + relu(w D) U along the last dimension, U zero at first.

    Args:
        width: of the weight's last dimension.
        size: of the hidden layer.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(width, size))
        nn.init.kaiming_uniform_(self.down.T, a=5**0.5)
        self.up = nn.Parameter(torch.zeros(size, width))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight that the module computes with, of the same shape."""
        with torch.autocast(weight.device.type, enabled=False):
            return weight + torch.relu(weight @ self.down) @ self.up


class Sparse(nn.Module):
    """PaFi's weight: all frozen but those at some places.

    Args:
        places: int64, (n,), in the flattened weight.
        values: float32, (n,), what stands there at first.
    """

    def __init__(self, places: Tensor, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("places", places)
        self.values = nn.Parameter(values)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with the present values in their places."""
        flat = weight.flatten().scatter(0, self.get_buffer("places"), self.values)
        return flat.view_as(weight)
