"""Hybrid: the head is solved at once; the adapter learns only where that is not enough.

How good the head would be at the batch is known before anything is learned: ridge regression says
in closed form which rows it gets right when each is left out. Where that is too little, the adapter
learns, with remembered rows beside the new ones, and the head is solved again on what it then makes
of all rows at hand. What an adapter learned from one batch serves most of the next ones as well, so
it learns again only once there is far more to learn from, or where the gate finds that the head
alone lost something: then the pipeline asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.training.guard import Guard
from components.training.memory import MemoryRef
from components.training.solved_head import (
    SolvedHeadGuard,
    head_shape,
    learn_adapter,
    origin,
    right_when_left_out,
)
from components.training.strategies.strategy import Situation, Strategy, remember_evenly

if TYPE_CHECKING:
    from components.model.progress import Progress
    from components.training.learner import Learner


def replay(situation: Situation) -> tuple[MemoryRef, ...]:
    """Return all remembered rows: where the adapter learns, the head is solved on all of them."""
    return tuple(situation.known)


def fit(learner: Learner, guard: Guard, progress: Progress) -> int:
    """Solve the head; before that, let the adapter learn if the head alone is not enough."""
    assert isinstance(guard, SolvedHeadGuard)
    steps = 0
    guard.values["remembered"] = remembers_all_batches(learner, guard)
    able = not learner.bare and shows_all_that_was_seen(learner, guard)
    if able and (learner.adapt or is_due(learner, guard)):
        steps = learn_adapter(learner, progress)
        guard.begin_again()
        guard.values["adapted_on"] = [*guard.values.get("adapted_on", []), learner.batch]
        guard.values["adapted_rows"] = len(learner.items)
    guard.add_all()
    guard.solve()
    progress(1, 1)
    return steps


def is_due(learner: Learner, guard: SolvedHeadGuard) -> bool:
    """Tell whether the adapter has more to learn from than it had, and the head needs it.

    Asked is plain ridge regression, the only head that says in closed form how it would answer a
    row that it had not seen.
    """
    own, before = learner.strategy, guard.values.get("adapted_rows", 0)
    if len(learner.items) < own.growth * before:
        return False
    return right_when_left_out(guard, guard.new) < float(own.enough_percent)


def remembers_all_batches(learner: Learner, guard: SolvedHeadGuard) -> bool:
    """Tell whether rows of each batch that the sums hold were remembered, if not all for ever.

    `analytic` remembers none: what it learned is in the sums alone, and stays there.
    """
    if learner.parent is None or not guard.sums.rows:
        return True
    own = learner.parent.state["strategy"] == "hybrid"
    return own and bool(guard.values.get("remembered", True))


def shows_all_that_was_seen(learner: Learner, guard: SolvedHeadGuard) -> bool:
    """Tell whether the rows at hand can stand for all rows in the sums, which begin again on them.

    Not where batches were never remembered, nor where rows of a label were erased since.
    """
    if not guard.sums.rows:
        return True
    known = guard.sums.counts.nonzero().flatten().tolist()
    shown = set(known) <= set(learner.targets.tolist())
    return bool(guard.values["remembered"] and learner.replayed.any() and shown)


STRATEGY = Strategy(
    keeps="Two sums, a digest of each row, and references to at most `memory_items` rows; the rows"
    " themselves stay in the batches.",
    origin=origin,
    replay=replay,
    remember=remember_evenly,
    guard=SolvedHeadGuard,
    fit=fit,
    head=lambda settings: str(settings.features),
    head_shape=head_shape,
)
