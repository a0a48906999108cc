"""Replay: train on remembered rows beside the new ones, balanced over (task, label).

Concept: a remembered row that is settled is taught as the parent answers it, not by its label. So
what the parent answered with a doubt stays doubtful, what it got wrong is not learned by heart, and
fewer answers change on all other inputs.

With `logits_weight` above 0 a remembered row is also drawn to the logits that it had when it was
learned, which the bundle then carries.

Source: Rolnick et al. 2019, Experience Replay for Continual Learning; balanced memory as in
Prabhu et al. 2020, GDumb; the parent's answers as targets as in Jiang et al. 2022, Churn Reduction
via Distillation; logits as in Buzzega et al. 2020, Dark Experience (DER++, equation 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.training.dark_logits import DarkLogits
from components.training.guard import Guard
from components.training.memory import MemoryRef, balanced, remembered
from components.training.strategies.strategy import Situation, Strategy, remember_evenly

if TYPE_CHECKING:
    from torch import Tensor

    from components.model.bundle import State
    from components.training.learner import ForwardPass, Learner


def replay(situation: Situation) -> tuple[MemoryRef, ...]:
    """Return `replay_ratio` remembered rows a new row and round, as far as the memory goes."""
    size = situation.beside * situation.rounds
    fresh = sorted({ref.item for ref in situation.new})
    return balanced(situation.known, size, [situation.seed, fresh])


class KeepAnswers(Guard):
    """Teaches settled rows `distillation` parts of the parent's answer, the rest of the label.

    The learner starts as its parent, so what it answers before the first step is the parent's.
    """

    def __init__(self, learner: Learner) -> None:
        import torch

        super().__init__(learner)
        self.answers: Tensor | None = None
        rows, share = settled(learner), getattr(learner.strategy, "distillation", 0.0)
        if rows and share:
            with torch.no_grad():
                logits = learner.classifier.head(learner.features(rows))
            self.answers = torch.zeros(len(learner.items), logits.shape[1], device=logits.device)
            self.answers[rows] = logits.softmax(-1)
            self.share = torch.zeros(len(learner.items), device=logits.device)
            self.share[rows] = share
        self.dark = DarkLogits(learner, getattr(learner.strategy, "logits_weight", 0.0))

    def loss(self, given: ForwardPass) -> Tensor:
        """Return the mean cross entropy to the labels, and for remembered rows to the answers."""
        return self._to_answers(given) + self.dark.loss(given)

    def finish(self, memory: tuple[MemoryRef, ...]) -> State:
        """Return the remembered rows' logits, if they are asked for."""
        return self.dark.finish(memory)

    def _to_answers(self, given: ForwardPass) -> Tensor:
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


STRATEGY = Strategy(
    keeps="References to at most `memory_items` rows; the rows themselves stay in the batches. With"
    " `logits_weight`, also the logits of those rows.",
    replay=replay,
    remember=remember_evenly,
    guard=KeepAnswers,
)
