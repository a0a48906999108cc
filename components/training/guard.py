"""A strategy's part in one run of the loop.

Concept: a term in the loss (EWC, LwF, DER++), a hand on the gradients (A-GEM, O-LoRA), state to
carry to the next batch. The loop calls it and never asks which strategy it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.model.bundle import State

if TYPE_CHECKING:
    from torch import Tensor

    from components.training.learner import ForwardPass, Learner
    from components.training.memory import MemoryRef


class Guard:
    """A strategy's part in one run of the loop. This one does nothing but learn.

    The parent's state is `learner.parent.strategy_state()`, its model
    `load_classifier(base, learner.parent, device)`.
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    def loss(self, given: ForwardPass) -> Tensor:
        """Return the scalar to descend on."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(given.logits, given.targets)

    def before_update(self) -> None:
        """Change gradients in place, after backward and before the optimizer moves."""

    def after_update(self) -> None:
        """Change weights in place, after the optimizer moved."""

    def finish(self, memory: tuple[MemoryRef, ...]) -> State:
        """Return what the next batch needs; the model is trained, and `memory` chosen by now."""
        return State()
