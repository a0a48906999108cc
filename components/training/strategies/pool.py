"""Pool: one adapter in modules with keys; each text uses those whose keys are nearest to it.

All modules learn on as batches come; which ones a batch moves depends on its texts.

Source: Wang et al. 2022, L2P, section 4.2 and equation 5; with LoRA, Wistuba et al. 2024 (arXiv
2406.03216), section 3. Keys start at centroids of the first batch, or all texts choose alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.model.bundle import Part, tensors_part
from components.model.pool import LOW_RANK, POOL, TOKENS, Pool, attach_pool
from components.training.guard import Guard
from components.training.routing import CENTROIDS, add_centroids
from components.training.strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from components.model.base import Base
    from components.settings import Settings
    from components.training.learner import ForwardPass, Learner


def start(learner: Learner) -> tuple[Part, ...]:
    """Open the keys: the parent's, or centroids of the first batch."""
    import torch

    own = learner.strategy
    if learner.parent is not None:
        keys = learner.parent.tensors(POOL)["keys"]
    else:
        features = learner.frozen_features(range(len(learner.items)))
        seed = learner.settings.seed
        keys = add_centroids({}, features, 0, own.modules, seed)[CENTROIDS]
        keys = keys[torch.arange(own.modules) % len(keys)]  # a very small batch has fewer
    keys.requires_grad_()
    return (tensors_part(POOL, "answers", {"keys": keys, "top": torch.tensor([own.top])}),)


class DrawKeys(Guard):
    """Draws the chosen keys to the texts that chose them."""

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        own, at = learner.strategy, learner.classifier
        self.strength = own.key_strength
        self.pool = Pool(learner.opened[POOL].tensors["keys"], own.top)
        method = learner.settings.adapter.method
        attach_pool(learner.model, method, at.base, at.placement, self.pool)

    def loss(self, given: ForwardPass) -> Tensor:
        """Return the cross entropy without the likeness of chosen keys and texts."""
        assert self.pool.drawn is not None
        drawn: Tensor = self.strength * self.pool.drawn
        return super().loss(given) - drawn


def fits(settings: Settings, base: Base) -> str | None:
    """Refuse methods without ranks or tokens, and those that can't be divided evenly."""
    own: Any = settings.adapter
    pool: Any = settings.strategy
    if own.method not in (*LOW_RANK, *TOKENS) or getattr(own, "variant", "plain") == "dora":
        return f"it divides ranks or tokens ({', '.join((*LOW_RANK, *TOKENS))}), not {own.method}"
    if pool.top > pool.modules:
        return f"`strategy.top` {pool.top} is more than `strategy.modules` {pool.modules}"
    name = "rank" if own.method in LOW_RANK else "tokens"
    if getattr(own, name) % pool.modules:
        return f"`adapter.{name}` can't be divided by `strategy.modules` {pool.modules}"
    return None


STRATEGY = Strategy(
    keeps="A key for each module, near to features of texts.",
    start=start,
    guard=DrawKeys,
    kind="pool",
    fits=fits,
)
