"""The outline of a continual strategy.

Concept: a strategy answers three questions in plain values (what to replay, what to
remember, which head) and may put a `Guard` into the loop: a term in the loss (EWC, LwF,
DER++), a hand on the gradients (A-GEM, O-LoRA), state to carry to the next batch. One that
does not descend gradients at all (analytic heads) brings its own `fit`.

Promise: the loop never asks which strategy it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.training.loop import descend
from components.training.memory import MemoryRef

if TYPE_CHECKING:
    from torch import Tensor

    from components.settings import StrategySettings
    from components.training.learner import Learner, Step
    from components.training.progress import Progress


@dataclass(frozen=True, slots=True)
class Situation:
    """What a strategy knows when it chooses rows.

    `new`: references to the batch's training rows. `memory`: the parent's. `seed`: the
    settings' seed, the same over the whole stream.
    """

    new: tuple[MemoryRef, ...]
    memory: tuple[MemoryRef, ...]
    settings: StrategySettings
    seed: int


@dataclass(frozen=True, slots=True)
class State:
    """What a strategy hands to the next batch: JSON values and named tensors."""

    values: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)


class Guard:
    """A strategy's part in one run of the loop. This one does nothing but learn.

    The parent's state is `learner.parent.strategy_state()`, its model
    `load_classifier(base, learner.parent, device)`.
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    def loss(self, step: Step) -> Tensor:
        """Return the scalar to descend on."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(step.logits, step.targets)

    def before_update(self) -> None:
        """Change gradients in place, after backward and before the optimizer moves."""

    def finish(self) -> State:
        """Return what the next batch needs; the model is trained by now."""
        return State()


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to protect earlier tasks.

    replay: which remembered rows to train on beside the new ones.
    remember: the memory of the new bundle.
    guard: makes the run's `Guard`.
    fit: (learner, guard, progress) trains `learner` in place.
    head: a row of the head table.
    """

    replay: Callable[[Situation], tuple[MemoryRef, ...]]
    remember: Callable[[Situation], tuple[MemoryRef, ...]]
    guard: Callable[[Learner], Guard] = Guard
    fit: Callable[[Learner, Guard, Progress], None] = descend
    head: str = "linear"
