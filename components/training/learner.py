"""A model in the making, and the rows that it learns from.

Concept: the one thing in this room that changes, alive for one lesson; the loop and the
strategy's guard work on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.training.encoding import pad, padded_length

if TYPE_CHECKING:
    from torch import Tensor

    from components.items import Item
    from components.settings import Settings
    from components.training.bundle import Bundle
    from components.training.classifier import Classifier


@dataclass(frozen=True, slots=True)
class Step:
    """One training step. `rows`: places in `learner.items`; logits (n, n_labels)."""

    rows: Tensor
    features: Tensor
    logits: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True)
class Learner:
    """What is being trained and on what.

    `items`: new and replayed rows, sorted by digest; `tokens` and `targets` follow their
    order. `seed` belongs to this lesson alone.
    """

    classifier: Classifier
    items: tuple[Item, ...]
    tokens: list[list[int]]
    targets: Tensor
    settings: Settings
    seed: int
    parent: Bundle | None

    def step(self, rows: Sequence[int]) -> Step:
        """Return the forward pass over these rows, with gradients."""
        import torch

        own = self.classifier
        chosen = [self.tokens[row] for row in rows]
        length = padded_length(max(map(len, chosen)), own.max_tokens)
        ids, mask = pad(chosen, length, own.base.pad_id)
        features = own.features(ids.to(own.device), mask.to(own.device))
        places = torch.tensor(rows)
        return Step(places, features, own.head(features), self.targets[places].to(own.device))
