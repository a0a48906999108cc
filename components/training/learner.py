"""A model in the making, and the rows that it learns from.

Concept: the one thing in this room that changes, alive for one lesson; the loop and the
strategy's guard work on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.model.adapters.method import trainable_weights
from components.model.encoding import infer
from components.model.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor, nn

    from components.items import Item
    from components.model.adapters.method import Method
    from components.model.bundle import Bundle, Part
    from components.model.classifier import Classifier
    from components.model.frozen import Frozen
    from components.settings import Settings


TOKEN_BUDGET = {"cpu": 2048, "cuda": 65536}
"""Padded tokens that one forward pass takes at most. On a CPU more of them fall out of its caches:
4,096 took 6 % longer."""


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """What some rows give. `rows`: their places in `learner.items`; logits (n, n_labels)."""

    rows: Tensor
    features: Tensor
    logits: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True)
class Learner:
    """What is being trained and on what.

    `batch`: the digest of the new rows' batch. `items`: new and replayed rows, sorted by digest;
    `tokens`, `targets` and `replayed` (bool: the row is a remembered one, and not among the new)
    follow their order. `beside`: so many of the remembered rows an epoch goes through.
    `looked_at`: the rows that may be judged and are not trained on. `seed` belongs to this lesson
    alone. `method`: the adapter's. `frozen`: the base's own features, kept; where the method adds
    nothing to the base, these are the model's as well. `parent`: None also where nothing but its
    adapter is gone on from (a turn). `adapt`: the gate said that a head alone is not enough.
    `opened`: the parts that the strategy opened, by name; the loop trains those of their tensors
    that require gradients.
    """

    batch: str
    classifier: Classifier
    items: tuple[Item, ...]
    tokens: list[list[int]]
    targets: Tensor
    replayed: Tensor
    beside: int
    looked_at: tuple[int, ...]
    settings: Settings
    seed: int
    parent: Bundle | None
    method: Method
    frozen: Frozen
    adapt: bool
    opened: dict[str, Part] = field(default_factory=dict)

    @property
    def model(self) -> nn.Module:
        """The adapted model, without its head."""
        return self.classifier.body.model

    @property
    def strategy(self) -> Any:
        """The strategy's own section of the settings."""
        return self.settings.strategy

    @property
    def bare(self) -> bool:
        """Whether the method adds nothing to the base."""
        return self.classifier.body.whole is not None

    @property
    def train_rows(self) -> list[int]:
        """The places in `items` of the rows that are trained on, in order."""
        return sorted(set(range(len(self.items))).difference(self.looked_at))

    def forward(self, rows: Sequence[int]) -> ForwardPass:
        """Return the forward pass over these rows, with gradients."""
        import torch

        own, places = self.classifier, torch.tensor(rows)
        features = own.features([self.tokens[row] for row in rows], self.length(rows))
        targets = self.targets[places].to(own.device)
        return ForwardPass(places, features, own.head(features), targets)

    def prepare(self, progress: Progress = silent) -> None:
        """Find or compute what the frozen layers make of the rows; told (rows done, rows)."""
        self.classifier.prepare(self.tokens, progress)

    def features(self, rows: Sequence[int]) -> Tensor:
        """Return pooled features, (n_rows, hidden_size), n_rows > 0, without gradients.

        Where the method adds nothing to the base they are the frozen base's, from the cache. Else
        the adapted model computes them as it is now and as it will answer, without dropout.
        """
        import torch

        own, chosen = self.classifier, [self.tokens[row] for row in rows]
        with answering(self.model):
            found = infer(own.features, chosen, own.placement.max_tokens)
        return torch.from_numpy(found).to(own.device)

    def frozen_features(self, rows: Sequence[int]) -> Tensor:
        """Return the frozen base's pooled features, (n_rows, hidden_size), whatever was added."""
        import torch

        chosen = [self.tokens[row] for row in rows]
        self.frozen.prepare(chosen)
        return torch.from_numpy(self.frozen.features(chosen)).to(self.classifier.device)

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
        return trainable_weights(self.model)

    def head_weights(self) -> list[Tensor]:
        """Return the weights of the head."""
        return list(self.classifier.head.parameters())

    def named_weights(self) -> dict[str, Tensor]:
        """Return what is trained of adapter and head by name, the same name in each lesson."""
        model, head = self.model.named_parameters(), self.classifier.head.named_parameters()
        found: dict[str, Tensor] = {f"adapter.{n}": w for n, w in model if w.requires_grad}
        return found | {f"head.{name}": weight for name, weight in head}

    def opened_weights(self) -> list[Tensor]:
        """Return the weights of opened parts that are trained."""
        tensors = (tensor for part in self.opened.values() for tensor in part.tensors.values())
        return [tensor for tensor in tensors if tensor.requires_grad]

    def weights(self) -> list[Tensor]:
        """Return all weights that are trained."""
        return self.adapter_weights() + self.head_weights() + self.opened_weights()


@contextmanager
def answering(model: nn.Module) -> Iterator[None]:
    """Run the block with every module in eval mode; each is then as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
