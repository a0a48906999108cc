"""A model in the making, and the rows that it learns from.

Concept: the one thing in this room that changes, alive for one lesson; the loop and the
strategy's guard work on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from components.items import Item
    from components.model.bundle import Bundle
    from components.model.classifier import Classifier
    from components.settings import Settings


TOKEN_BUDGET = {"cpu": 2048, "cuda": 65536}
"""Padded tokens that one forward pass takes at most. On a CPU more of them fall out of its caches:
4,096 took 6 % longer."""


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

    `items`: new and replayed rows, sorted by digest; `tokens`, `targets` and `replayed` (bool: the
    row is a remembered one, and not among the new) follow their order. `looked_at`: the rows that
    may be judged and are not trained on. `seed` belongs to this lesson alone.
    """

    classifier: Classifier
    items: tuple[Item, ...]
    tokens: list[list[int]]
    targets: Tensor
    replayed: Tensor
    looked_at: tuple[int, ...]
    settings: Settings
    seed: int
    parent: Bundle | None

    @property
    def train_rows(self) -> list[int]:
        """The places in `items` of the rows that are trained on, in order."""
        return sorted(set(range(len(self.items))).difference(self.looked_at))

    def step(self, rows: Sequence[int]) -> Step:
        """Return the forward pass over these rows, with gradients."""
        import torch

        own = self.classifier
        chosen = [self.tokens[row] for row in rows]
        features = own.features(chosen, self.length(rows))
        places = torch.tensor(rows)
        return Step(places, features, own.head(features), self.targets[places].to(own.device))

    def length(self, rows: Sequence[int]) -> int:
        """Return the length that a batch of these rows is padded to: its longest row's."""
        return max(len(self.tokens[row]) for row in rows)

    def parts(self, rows: Sequence[int]) -> list[list[int]]:
        """Return rows, short first, in parts whose padded tokens fit into memory at once.

        The parts' gradients add up to the whole's, so the budget decides speed and memory alone.
        """
        budget = TOKEN_BUDGET[self.classifier.device]
        parts: list[list[int]] = [[]]
        for row in sorted(rows, key=lambda row: len(self.tokens[row])):
            if (len(parts[-1]) + 1) * self.length([row]) > budget and parts[-1]:
                parts.append([])
            parts[-1].append(row)
        return parts

    def adapter_weights(self) -> list[Tensor]:
        """Return the weights of the adapter that are trained."""
        return [w for w in self.classifier.body.model.parameters() if w.requires_grad]

    def head_weights(self) -> list[Tensor]:
        """Return the weights of the head."""
        return list(self.classifier.head.parameters())

    def weights(self) -> list[Tensor]:
        """Return all weights that are trained."""
        return self.adapter_weights() + self.head_weights()


def added_tensors(classifier: Classifier) -> dict[str, Tensor]:
    """Return what the adapted model holds beside its base's weights and buffers, by name."""
    model, base = classifier.body.model, classifier.base.placed(classifier.placement)
    known = {id(tensor) for tensor in chain(base.parameters(), base.buffers())}
    named = chain(model.named_parameters(), model.named_buffers())
    return {name: tensor for name, tensor in named if id(tensor) not in known}
