"""Replay: train on remembered rows beside the new ones, balanced over (task, label).

Concept: a remembered row that is settled is taught as the parent answers it, not by its label. So
what the parent answered with a doubt stays doubtful, what it got wrong is not learned by heart, and
fewer answers change on all other inputs.

Source: Rolnick et al. 2019, Experience Replay for Continual Learning; balanced memory as in
Prabhu et al. 2020, GDumb; the parent's answers as targets as in Buzzega et al. 2020, Dark
Experience, and Jiang et al. 2022, Churn Reduction via Distillation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.training.guard import Guard
from components.training.memory import MemoryRef, balanced, remembered
from components.training.strategies.strategy import Features, Situation, Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from components.training.learner import ForwardPass, Learner


def replay(situation: Situation) -> tuple[MemoryRef, ...]:
    """Return `replay_ratio` remembered rows a new row and round, as far as the memory goes."""
    fresh = {ref.item for ref in situation.new}
    known = [ref for ref in situation.memory if ref.item not in fresh]
    size = situation.beside * situation.rounds
    return balanced(known, size, [situation.seed, sorted(fresh)])


def remember(situation: Situation, features: Features) -> tuple[MemoryRef, ...]:
    """Return the new memory: at most `memory_items` of all that was seen."""
    seen = situation.memory + situation.new
    return balanced(seen, situation.settings.memory_items, situation.seed)


class KeepAnswers(Guard):
    """Teaches settled rows `distillation` parts of the parent's answer, the rest of the label.

    The learner starts as its parent, so what it answers before the first step is the parent's.
    """

    def __init__(self, learner: Learner) -> None:
        import torch

        super().__init__(learner)
        self.answers: Tensor | None = None
        rows, share = settled(learner), getattr(learner.settings.strategy, "distillation", 0.0)
        if rows and share:
            with torch.no_grad():
                logits = learner.classifier.head(learner.features(rows))
            self.answers = torch.zeros(len(learner.items), logits.shape[1], device=logits.device)
            self.answers[rows] = logits.softmax(-1)
            self.share = torch.zeros(len(learner.items), device=logits.device)
            self.share[rows] = share

    def loss(self, given: ForwardPass) -> Tensor:
        """Return the mean cross entropy to the labels, and for remembered rows to the answers."""
        from torch.nn.functional import cross_entropy, log_softmax

        if self.answers is None:
            return super().loss(given)
        rows = given.rows.to(given.logits.device)
        to_labels = cross_entropy(given.logits, given.targets, reduction="none")
        to_answers = -(self.answers[rows] * log_softmax(given.logits, -1)).sum(-1)
        share = self.share[rows]
        return ((1 - share) * to_labels + share * to_answers).mean()


def settled(learner: Learner) -> list[int]:
    """Return the places of the remembered rows that the parent has nothing to learn of any more.

    None where the batch brings new labels: all labels compete anew. Nor the rows of the parent's
    own batch, of which it took a share alone (`update_share`): their labels are taught once more.
    """
    parent = learner.parent
    if parent is None or len(learner.classifier.labels) > len(parent.labels):
        return []
    last = {ref.item for ref in remembered(parent) if ref.batch == parent.state["batch"]}
    old = learner.replayed.nonzero().flatten().tolist()
    return [row for row in old if learner.items[row].digest not in last]


STRATEGY = Strategy(replay, remember, guard=KeepAnswers)
