"""Classifier heads: one row each. A strategy names the head it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..heads import linear, solved

if TYPE_CHECKING:
    from torch import Tensor, nn

    Grow = Callable[[dict[str, Tensor] | None, int, int], nn.Module]

HEADS: dict[str, Grow] = {
    "linear": linear.grow,
    "plain": solved.grow_plain,
    "projected": solved.grow_projected,
    "fourier": solved.grow_fourier,
}
"""(parent's tensors or None, hidden_size, n_labels) -> module; its state dict is saved. Of saved
tensors that are not a head's it may raise LookupError, RuntimeError or TypeError."""


def means_read(head: nn.Module) -> int:
    """Return how many means of layers a head is fed: of the last layer alone, or more."""
    return getattr(head, "means", 1)
