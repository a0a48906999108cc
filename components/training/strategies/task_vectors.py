"""Task vectors: what each batch moves away from the base is added up, and the head learned anew.

The body learns the batch alone, from the base; its movement is scaled and added to the parent's.
The head then learns on what is remembered and on the new rows, as the merged body sees them.

Source: the pattern of Zhou et al. 2025, Dual Consolidation (DUCT), sections 4.1 and 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.training.guard import Guard
from components.training.loop import bucketed, descend
from components.training.memory import MemoryRef
from components.training.origin import Items, Origin
from components.training.strategies.merge import fits_movements, fresh_point, parent_point
from components.training.strategies.strategy import Situation, Strategy, remember_evenly

if TYPE_CHECKING:
    from components.model.base import Base
    from components.model.bundle import Bundle
    from components.model.progress import Progress
    from components.settings import Settings
    from components.training.learner import Learner

HEAD_EPOCHS = 30


def origin(base: Base, parent: Bundle | None, items: Items, settings: Settings) -> Origin:
    """Start from a fresh adapter under the parent's head."""
    if parent is None:
        return Origin()
    return Origin(head=parent.head_tensors(), labels=parent.labels)


def replay(situation: Situation) -> tuple[MemoryRef, ...]:
    """Return all remembered rows: the head learns on them."""
    return tuple(situation.known)


def beside(situation: Situation) -> int:
    """The body learns the new rows alone."""
    return 0


def fit(learner: Learner, guard: Guard, progress: Progress) -> int:
    """Learn the batch, add what it moved to the parent, and learn the head on all rows."""
    vector = learner.method.vector
    assert vector is not None
    base = fresh_point(learner) if learner.parent is not None else {}
    steps = descend(learner, guard, progress)
    if learner.parent is None:
        return steps
    before, now = parent_point(learner), vector.read(learner.model)
    scale = learner.strategy.scale
    vector.write(learner.model, {n: before[n] + scale * (now[n] - base[n]) for n in base})
    learn_head(learner)
    return steps


def learn_head(learner: Learner) -> None:
    """Let the head alone learn on all rows of the lesson, their features computed once."""
    import torch

    features, targets = learner.features(range(len(learner.items))), learner.targets
    targets = targets.to(features.device)
    own = learner.settings.training
    optimizer = torch.optim.AdamW(
        learner.head_weights(), lr=own.head_learning_rate, weight_decay=own.weight_decay
    )
    for epoch in range(HEAD_EPOCHS):
        for rows in bucketed([1] * len(targets), own.batch_size, f"{learner.seed}:head:{epoch}"):
            optimizer.zero_grad(set_to_none=True)
            logits = learner.classifier.head(features[rows])
            loss = torch.nn.functional.cross_entropy(logits, targets[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


STRATEGY = Strategy(
    keeps="References to at most `memory_items` rows; the rows themselves stay in the batches.",
    origin=origin,
    replay=replay,
    beside=beside,
    remember=remember_evenly,
    fit=fit,
    fits=fits_movements,
)
