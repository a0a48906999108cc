"""LwF: on the new rows, the parent's answers are kept among the labels that it knew.

Source: Li and Hoiem 2016, Learning without Forgetting, section 3, equations 2 and 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.training.guard import Guard
from components.training.strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from components.training.learner import ForwardPass, Learner


class KeepOld(Guard):
    """Keeps what the learner answers before the first step, when it is its parent."""

    def __init__(self, learner: Learner) -> None:
        import torch

        super().__init__(learner)
        self.own = learner.strategy
        self.answers: Tensor | None = None
        if learner.parent is not None:
            rows = list(range(len(learner.items)))
            with torch.no_grad():
                logits = learner.classifier.head(learner.features(rows))
            known = len(learner.parent.labels)
            self.answers = (logits[:, :known] / self.own.temperature).softmax(-1)

    def loss(self, given: ForwardPass) -> Tensor:
        """Return the cross entropy to the labels, and to the parent's softened answers."""
        from torch.nn.functional import log_softmax

        found = super().loss(given)
        if self.answers is None:
            return found
        heat, wanted = self.own.temperature, self.answers[given.rows.to(given.logits.device)]
        now = log_softmax(given.logits[:, : wanted.shape[1]] / heat, -1)
        kept: Tensor = self.own.strength * heat**2 * (wanted * now).sum(-1).mean()
        return found - kept


STRATEGY = Strategy(keeps="Nothing but the parent version itself.", guard=KeepOld)
