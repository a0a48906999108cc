"""A model in the making: adapted base, head, rows to learn from.

Concept: the one mutable thing in this room, alive for one lesson. Loop, guards and scoring
see a model only through `features` and `head`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.training.encoding import infer, pad, padded_length, pooled

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from components.items import Item
    from components.settings import Settings
    from components.training.base import Base
    from components.training.bundle import Bundle
    from components.training.progress import Progress


@dataclass(frozen=True, slots=True)
class Classifier:
    """An adapted model with its head on one device, ready to answer."""

    base: Base
    model: nn.Module
    head: nn.Module
    labels: tuple[str, ...]
    max_tokens: int
    device: str

    def features(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the pooled features, (n_rows, hidden_size), with gradients."""
        return pooled(self.model, ids, mask)

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Return float32 logits, (n_texts, n_labels), without gradients."""
        return infer(
            self.base,
            lambda ids, mask: self.head(self.features(ids, mask)),
            texts,
            self.max_tokens,
            self.device,
            progress,
        )


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
    parent_model: Callable[[], Classifier]

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
