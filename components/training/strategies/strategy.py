"""The outline of a continual strategy.

Concept: a strategy answers a few questions in plain values (what to start from, what to replay,
what to remember, which head). It may open parts of the bundle that only it knows, and put a
`Guard` into the loop: a term in the loss (EWC, LwF, DER++), a hand on the gradients (A-GEM,
O-LoRA), state to carry to the next batch. One that does not descend gradients at all (analytic
heads) brings its own `fit`.

Promise: the loop never asks which strategy it runs. All that a strategy knows of earlier batches
is in the parent's bundle, so going back to a version goes back to its strategy's state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.training.guard import Guard
from components.training.loop import descend, rounds
from components.training.memory import MemoryRef, balanced
from components.training.origin import Items, Origin, from_parent

if TYPE_CHECKING:
    from torch import Tensor

    from components.model.base import Base
    from components.model.bundle import Bundle, Part
    from components.model.progress import Progress
    from components.settings import Settings, TrainingSettings
    from components.training.learner import Learner


Features = Callable[[], "Tensor"]


@dataclass(frozen=True, slots=True)
class Situation:
    """What a strategy knows when it chooses rows.

    `new`: references to the batch's training rows, sorted. `memory`: the parent's. `seed`: the
    settings' seed, the same over the whole stream. `settings`: the strategy's own section;
    `training`: that of the loop. `beside`: how many remembered rows an epoch goes through.
    """

    new: tuple[MemoryRef, ...]
    memory: tuple[MemoryRef, ...]
    settings: Any
    seed: int
    training: TrainingSettings

    @property
    def beside(self) -> int:
        """How many remembered rows an epoch goes through: `replay_ratio` a new row."""
        return round(getattr(self.settings, "replay_ratio", 0.0) * len(self.new))

    @property
    def rounds(self) -> int:
        """How often `epochs` are run through, as a small batch needs."""
        return rounds(max(1, len(self.new) + self.beside), self.training)

    @property
    def known(self) -> list[MemoryRef]:
        """The remembered rows that are not among the new ones."""
        fresh = {ref.item for ref in self.new}
        return [ref for ref in self.memory if ref.item not in fresh]


def fits_all(settings: Settings, base: Base) -> None:
    """Fit every adapter method and every base."""


def no_rows(situation: Situation) -> tuple[MemoryRef, ...]:
    """Replay nothing."""
    return ()


def remember_nothing(situation: Situation, features: Features) -> tuple[MemoryRef, ...]:
    """Keep no reference to any row."""
    return ()


def remember_evenly(situation: Situation, features: Features) -> tuple[MemoryRef, ...]:
    """Return the new memory: at most `memory_items` of all that was seen."""
    seen = situation.memory + situation.new
    return balanced(seen, situation.settings.memory_items, situation.seed)


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to protect earlier tasks.

    keeps: what it keeps of the data, for people who must know (docs/strategies.md).
    origin: (base, parent, rows of the lesson, settings) -> what the lesson's model starts from.
    replay: which remembered rows to train on beside the new ones.
    beside: how many of them an epoch goes through.
    remember: the memory of the new bundle, once the model is trained. Calling its second argument
        gives the new rows' features, float32 (n_new, hidden_size), in the order of `new`, as
        `Learner.features` computes them: a pass over the new rows, or the cache where the method
        adds nothing to the base.
    start: opens the parts that the version has beside the usual ones (an expert, a pool), each with
        its role; those of the parent's that are not opened again are gone. Runs before `guard`,
        which finds them in `learner.opened`; they are written as they are after `fit`. The adapted
        model stays as its method made it. One called `labels` stands in the usual one's place.
    guard: makes the run's `Guard`.
    fit: (learner, guard, progress) trains `learner` in place, and returns the optimiser's steps.
    head: (strategy's settings) -> a row of the head table.
    head_shape: (strategy's settings) -> those of them that decide the head's size and inputs.
    kind: a row of the table of kinds: how the version answers.
    fits: (settings, base) -> why it can't be used with them, as the end of a sentence
        ("it needs ..."); None where it can.
    """

    keeps: str
    origin: Callable[[Base, Bundle | None, Items, Settings], Origin] = from_parent
    replay: Callable[[Situation], tuple[MemoryRef, ...]] = no_rows
    beside: Callable[[Situation], int] = lambda situation: situation.beside
    remember: Callable[[Situation, Features], tuple[MemoryRef, ...]] = remember_nothing
    start: Callable[[Learner], tuple[Part, ...]] = lambda learner: ()
    guard: Callable[[Learner], Guard] = Guard
    fit: Callable[[Learner, Guard, Progress], int] = descend
    head: Callable[[Any], str] = lambda settings: "linear"
    head_shape: Callable[[Any], dict[str, Any]] = lambda settings: {}
    kind: str = "classifier"
    fits: Callable[[Settings, Base], str | None] = fits_all
