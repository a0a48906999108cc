"""Classifier heads: one file each, one row here. A strategy names the head it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..heads import linear

if TYPE_CHECKING:
    from torch import Tensor, nn

    Grow = Callable[[dict[str, Tensor] | None, int, int], nn.Module]

HEADS: dict[str, Grow] = {
    "linear": linear.grow,
}
"""(parent's tensors or None, hidden_size, n_labels) -> module; its state dict is saved."""
