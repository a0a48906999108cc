"""Heads that are solved for: a linear map of unit features, of a random projection, or of waves.

Nothing in them is trained by descent; a strategy fills in weight, bias and how sharp the
probabilities are. The random matrix is stored with the head: another library may draw another one.
They read the means of several layers, each made as long as the others: what a text is about, and
how it says so, stand in different ones.

Source: McDonnell et al. 2023, RanPAC, section 3 (random projection, with a plain ReLU); Rahimi and
Recht 2007, Random Features for Large-Scale Kernel Machines, algorithm 1 (waves, for the Gaussian
kernel).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    Tensors = dict[str, Tensor]


SLOPE = 0.5
"""Of a leaky ReLU, below zero."""


class SolvedHead(nn.Module):
    """Logits that are linear in what `spread` makes of a text's unit features.

    Args:
        tensors: `weight` (labels, size), `bias` (labels,), `sharpness` (1,), by which both are
            multiplied, and what `spread` needs.
        hidden_size: of one mean.
    """

    random: str | None = None
    """The tensor that was drawn; its rows are what the head reads."""

    def __init__(self, tensors: Tensors, hidden_size: int) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)
        width = tensors[self.random].shape[0] if self.random else self.size
        self.means, rest = divmod(width, hidden_size)
        if rest or not self.means:
            raise RuntimeError(f"a head that reads {width} numbers does not fit {hidden_size}")

    @property
    def size(self) -> int:
        """How many numbers the logits are linear in."""
        return int(self.get_buffer("weight").shape[1])

    def spread(self, features: Tensor) -> Tensor:
        """Return what the logits are linear in, (n, size): the unit features themselves."""
        means = features.float().reshape(len(features), self.means, -1)
        unit: Tensor = nn.functional.normalize(means, dim=2).flatten(1) / self.means**0.5
        return unit

    def forward(self, features: Tensor) -> Tensor:
        """Return logits, (n, n_labels), of features, (n, means * hidden_size)."""
        spread = self.spread(features)
        logits = spread @ self.get_buffer("weight").T + self.get_buffer("bias")
        return self.get_buffer("sharpness") * logits


class ProjectedHead(SolvedHead):
    """On a leaky ReLU of x P, P random signs, (means * hidden_size, size).

    A plain ReLU hides more of what is linear in x: half the slope on its other side kept more of
    texts' moods. Signs project as well as normal numbers do, and are stored as bits.
    """

    random = "signs"

    def __init__(self, tensors: Tensors, hidden_size: int) -> None:
        super().__init__(tensors, hidden_size)
        bits = np.unpackbits(tensors["signs"].cpu().numpy(), axis=1, count=self.size)
        self.register_buffer("projection", torch.from_numpy(bits).float() * 2 - 1, persistent=False)

    def spread(self, features: Tensor) -> Tensor:
        """Return the projected features, (n, size)."""
        projected = super().spread(features) @ self.get_buffer("projection")
        return nn.functional.leaky_relu(projected, SLOPE)


class FourierHead(SolvedHead):
    """On sqrt(2 / size) cos(x P + phase): inner products are a Gaussian kernel, nearly."""

    random = "projection"

    def spread(self, features: Tensor) -> Tensor:
        """Return the waves' heights, (n, size)."""
        projection = self.get_buffer("projection")
        waves: Tensor = super().spread(features) @ projection + self.get_buffer("phase")
        height: float = (2 / int(projection.shape[1])) ** 0.5
        return waves.cos() * height


def drawn(
    row: str, hidden_size: int, means: int, size: int, wavelength: float, seed: int
) -> Tensors:
    """Return the tensors of a head of no labels, its random ones drawn from `seed`."""
    draw = torch.Generator().manual_seed(seed)
    if row == "plain":
        return _of_no_labels(means * hidden_size)
    if row == "projected":
        bits = torch.randint(2, (means * hidden_size, size), generator=draw, dtype=torch.uint8)
        return _of_no_labels(size) | {"signs": torch.from_numpy(np.packbits(bits.numpy(), axis=1))}
    projection = torch.randn(means * hidden_size, size, generator=draw)
    phase = 2 * torch.pi * torch.rand(size, generator=draw)
    return _of_no_labels(size) | {"projection": projection / wavelength, "phase": phase}


KINDS = {"plain": SolvedHead, "projected": ProjectedHead, "fourier": FourierHead}


def grown(row: str, parent: Tensors | None, hidden_size: int, n_labels: int) -> SolvedHead:
    """Return a head with zeros for new labels; without a parent, as wide as the features."""
    tensors = dict(parent or drawn(row, hidden_size, 1, hidden_size, 1.0, 0))
    more = n_labels - len(tensors["weight"])
    for name in ("weight", "bias"):
        known = tensors[name]
        tensors[name] = torch.cat([known, known.new_zeros(more, *known.shape[1:])])
    return KINDS[row](tensors, hidden_size)


def _of_no_labels(size: int) -> Tensors:
    return {"weight": torch.zeros(0, size), "bias": torch.zeros(0), "sharpness": torch.ones(1)}
