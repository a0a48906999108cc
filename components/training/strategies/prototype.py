"""Prototypes: the nearest label mean, by angle or under one covariance. The simplest one to beat.

Source: Rebuffi et al. 2017, iCaRL, section 2.1 (nearest mean); Hayes and Kanan 2020, Deep SLDA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.model.heads.solved_modules import drawn
from components.training.guard import Guard
from components.training.origin import Items, Origin, from_parent
from components.training.solved_head import SolvedHeadGuard
from components.training.strategies.strategy import Strategy

if TYPE_CHECKING:
    from components.model.base import Base
    from components.model.bundle import Bundle
    from components.model.progress import Progress
    from components.settings import Settings
    from components.training.learner import Learner


def origin(base: Base, parent: Bundle | None, items: Items, settings: Settings) -> Origin:
    """Go on from the parent, or from a head of no labels."""
    if parent is not None:
        return from_parent(base, parent, items, settings)
    return Origin(head=drawn("plain", base.hidden_size, 1, 0, 1.0, 0))


def fit(learner: Learner, guard: Guard, progress: Progress) -> int:
    """Count the new rows and solve the head."""
    assert isinstance(guard, SolvedHeadGuard)
    guard.add_all()
    guard.solve()
    progress(1, 1)
    return 0


def fits(settings: Settings, base: Base) -> str | None:
    """Refuse an adapter that changes answers and is never learned."""
    from components.model.adapters import METHODS

    own = settings.adapter.method
    return None if METHODS[own].neutral else f"{own} starts at random and would never be learned"


STRATEGY = Strategy(
    keeps="Two sums over all rows, and a digest of each row; the rows can't be had from them.",
    origin=origin,
    guard=SolvedHeadGuard,
    fit=fit,
    head=lambda settings: "plain",
    head_shape=lambda settings: {"features": "plain", "layers": 1},
    fits=fits,
)
