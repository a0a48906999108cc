"""Analytic: the head is solved from two sums over all rows ever seen, none of which is kept.

The order of batches does not matter, and a batch can be subtracted again as if it had never come
(`ratchet forget`). On CPUs an update costs little more than one pass over the new rows.

Source: McDonnell et al. 2023, RanPAC, algorithm 1, without its first-session adapter by default,
and on several layers' means instead of the last one's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from components.training.guard import Guard
from components.training.solved_head import SolvedHeadGuard, head_shape, learn_adapter, origin
from components.training.strategies.strategy import Strategy

if TYPE_CHECKING:
    from components.model.base import Base
    from components.model.progress import Progress
    from components.settings import Settings
    from components.settings.strategy import AnalyticSettings
    from components.training.learner import Learner


def adapts(learner: Learner) -> bool:
    """Tell whether the adapter learns now: from the first batch, or never."""
    return learner.strategy.adapt == "first" and learner.parent is None


def fit(learner: Learner, guard: Guard, progress: Progress) -> int:
    """Count the new rows and solve the head."""
    assert isinstance(guard, SolvedHeadGuard)
    steps = 0
    if adapts(learner) and not learner.bare:
        steps = learn_adapter(learner, progress)
        guard.values["adapted_on"] = [learner.batch]
    guard.add_all()
    guard.solve()
    progress(1, 1)
    return steps


def fits(settings: Settings, base: Base) -> str | None:
    """Refuse an adapter that changes answers and is never learned."""
    from components.model.adapters import METHODS

    own, strategy = settings.adapter.method, cast("AnalyticSettings", settings.strategy)
    if strategy.adapt == "never" and not METHODS[own].neutral:
        return f"{own} starts at random, and with `strategy.adapt: never` stays so"
    return None


STRATEGY = Strategy(
    keeps="Two sums over all rows, and a digest of each row; the rows can't be had from them.",
    origin=origin,
    guard=SolvedHeadGuard,
    fit=fit,
    head=lambda settings: str(settings.features),
    head_shape=head_shape,
    fits=fits,
)
