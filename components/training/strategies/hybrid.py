"""Hybrid: the head is solved at once; the adapter learns only where that is not enough.

How good the head would be at the batch is known before anything is learned: ridge regression says
in closed form which rows it gets right when each is left out. Where the adapter learns, it does so
as under `replay`, and the head is solved again on what it then makes of all rows at hand. Where
that gained little, it is not tried again before the head alone has become worse still. Where the
gate finds that the head alone lost something, the pipeline asks for the adapter as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.training.guard import Guard
from components.training.memory import MemoryRef
from components.training.solved_head import (
    SolvedHeadGuard,
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
    own, steps = learner.strategy, 0
    new = [row for row, old in enumerate(learner.replayed.tolist()) if not old]
    alone = right_when_left_out(guard, new)
    enough = min(own.enough_percent, guard.values.get("level", 100.0) - own.slack_points)
    if learner.bare or (alone >= enough and not learner.adapt):
        guard.add(new, learner.batch)
    else:
        steps = learn_adapter(learner, progress)
        guard.begin_again()
        guard.values["adapted_on"] = [*guard.values.get("adapted_on", []), learner.batch]
        if len(new) < len(learner.items):
            guard.add(learner.replayed.nonzero().flatten().tolist(), "")
        after = right_when_left_out(guard, new)
        guard.values["level"] = after if after - alone >= own.slack_points else alone
        guard.add(new, learner.batch)
    guard.solve()
    progress(1, 1)
    return steps


STRATEGY = Strategy(
    keeps="Two sums, a digest of each row, and references to at most `memory_items` rows; the rows"
    " themselves stay in the batches.",
    origin=origin,
    replay=replay,
    remember=remember_evenly,
    guard=SolvedHeadGuard,
    fit=fit,
    head=lambda settings: str(settings.features),
)
