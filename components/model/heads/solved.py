"""Heads that are solved for, as rows of the head table; PyTorch is loaded when one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def grow_plain(parent: dict[str, Tensor] | None, hidden_size: int, n_labels: int) -> nn.Module:
    """Return a head on the unit features themselves."""
    return _grown("plain", parent, hidden_size, n_labels)


def grow_projected(parent: dict[str, Tensor] | None, hidden_size: int, n_labels: int) -> nn.Module:
    """Return a head on a random projection of them."""
    return _grown("projected", parent, hidden_size, n_labels)


def grow_fourier(parent: dict[str, Tensor] | None, hidden_size: int, n_labels: int) -> nn.Module:
    """Return a head on random waves of them."""
    return _grown("fourier", parent, hidden_size, n_labels)


def _grown(
    row: str, parent: dict[str, Tensor] | None, hidden_size: int, n_labels: int
) -> nn.Module:
    from ..heads.solved_modules import grown

    return grown(row, parent, hidden_size, n_labels)
