"""Heads that are solved for: a linear map of unit features, of a random projection, or of waves.

Nothing in them is trained by descent; a strategy fills in weight, bias and how sharp the
probabilities are. The random matrix is
stored with the head: another library may draw another one.

Source: McDonnell et al. 2023, RanPAC, section 3 (random projection, ReLU); Rahimi and Recht 2007,
Random Features for Large-Scale Kernel Machines, algorithm 1 (waves, for the Gaussian kernel).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    Tensors = dict[str, Tensor]


class SolvedHead(nn.Module):
    """Logits that are linear in what `spread` makes of a text's unit features.

    Args:
        tensors: `weight` (labels, size), `bias` (labels,), `sharpness` (1,), by which both are
            multiplied, and what `spread` needs.
    """

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def spread(self, features: Tensor) -> Tensor:
        """Return what the logits are linear in, (n, size): the unit features themselves."""
        unit: Tensor = nn.functional.normalize(features.float())
        return unit

    def forward(self, features: Tensor) -> Tensor:
        """Return logits, (n, n_labels), of features, (n, hidden_size)."""
        spread = self.spread(features)
        logits = spread @ self.get_buffer("weight").T + self.get_buffer("bias")
        return self.get_buffer("sharpness") * logits


class ProjectedHead(SolvedHead):
    """On relu(x P), P random, (hidden_size, size)."""

    def spread(self, features: Tensor) -> Tensor:
        """Return the projected features, (n, size)."""
        return torch.relu(super().spread(features) @ self.get_buffer("projection"))


class FourierHead(SolvedHead):
    """On sqrt(2 / size) cos(x P + phase): inner products are a Gaussian kernel, nearly."""

    def spread(self, features: Tensor) -> Tensor:
        """Return the waves' heights, (n, size)."""
        projection = self.get_buffer("projection")
        waves: Tensor = super().spread(features) @ projection + self.get_buffer("phase")
        height: float = (2 / int(projection.shape[1])) ** 0.5
        return waves.cos() * height


def drawn(row: str, hidden_size: int, size: int, wavelength: float, seed: int) -> Tensors:
    """Return the tensors of a head of no labels, its random ones drawn from `seed`."""
    draw = torch.Generator().manual_seed(seed)
    if row == "plain":
        return _of_no_labels(hidden_size)
    projection = torch.randn(hidden_size, size, generator=draw)
    if row == "projected":
        return _of_no_labels(size) | {"projection": projection}
    phase = 2 * torch.pi * torch.rand(size, generator=draw)
    return _of_no_labels(size) | {"projection": projection / wavelength, "phase": phase}


KINDS = {"plain": SolvedHead, "projected": ProjectedHead, "fourier": FourierHead}


def grown(row: str, parent: Tensors | None, hidden_size: int, n_labels: int) -> SolvedHead:
    """Return a head with zeros for new labels; without a parent, as wide as the features."""
    tensors = dict(parent or drawn(row, hidden_size, hidden_size, 1.0, 0))
    more = n_labels - len(tensors["weight"])
    for name in ("weight", "bias"):
        known = tensors[name]
        tensors[name] = torch.cat([known, known.new_zeros(more, *known.shape[1:])])
    return KINDS[row](tensors)


def _of_no_labels(size: int) -> Tensors:
    return {"weight": torch.zeros(0, size), "bias": torch.zeros(0), "sharpness": torch.ones(1)}
