"""Means of weights: over a lesson's last steps, and between a lesson and its parent.

Concept: the last steps wander around what they look for, and their mean lies nearer to it. A
whole lesson wanders as well: it overrates its own few rows against all that was learned
before, so a share of the way from the parent answers earlier tasks better, and hardly the new
one worse. Both cost no forward pass.

Source: Polyak and Juditsky 1992, averaging; Izmailov et al. 2018, SWA; Wortsman et al. 2022,
WiSE-FT; Stojanovski et al. 2022, momentum-based weight interpolation for continual learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Tail:
    """The mean of the weights after each of the last steps.

    Args:
        weights: what is trained; changed by `put` alone.
        steps: how many there will be.
        share: how many of them count, from 0 (none) to 1 (all).
    """

    def __init__(self, weights: Sequence[Tensor], steps: int, share: float) -> None:
        self._weights, self._skipped = weights, steps - int(share * steps)
        self._mean: list[Tensor] = []
        self._count = 0

    def add(self, done: int) -> None:
        """Take in the weights after step number `done`, counted from 1."""
        if done <= self._skipped:
            return
        self._count += 1
        if not self._mean:
            self._mean = copies(self._weights)
        for mean, weight in zip(self._mean, self._weights, strict=True):
            mean.add_(weight.detach() - mean, alpha=1 / self._count)

    def put(self) -> None:
        """Put the mean in the weights' place, if any step counted."""
        if self._mean:
            restore(self._weights, self._mean)


def mix(weights: Sequence[Tensor], parent: Sequence[Tensor], share: float) -> None:
    """Go back, in place, to `share` of the way from the parent's weights to these.

    A head's rows for labels that the parent does not know start at zero; they are held back
    with all others, or new labels would win where they are not meant.
    """
    with torch.no_grad():
        for weight, before in zip(weights, parent, strict=True):
            weight.copy_(torch.lerp(before, weight, share))


def copies(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the weights' values as they are now."""
    return [weight.detach().clone() for weight in weights]


def restore(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Put `values` in the weights' place."""
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)
