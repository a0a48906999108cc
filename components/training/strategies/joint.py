"""Joint training: from the base, on all rows ever seen. The upper reference, and the dearest.

Its cost and its memory grow with the stream: it is there to be compared with.
"""

from __future__ import annotations

from components.training.memory import MemoryRef
from components.training.origin import from_base
from components.training.strategies.strategy import Features, Situation, Strategy


def replay(situation: Situation) -> tuple[MemoryRef, ...]:
    """Return all remembered rows."""
    return tuple(situation.known)


def beside(situation: Situation) -> int:
    """Go through all of them in each epoch."""
    return len(situation.known)


def remember(situation: Situation, features: Features) -> tuple[MemoryRef, ...]:
    """Remember all rows."""
    return tuple(sorted({*situation.known, *situation.new}))


STRATEGY = Strategy(
    keeps="References to all rows ever trained on; the rows themselves stay in the batches.",
    origin=from_base,
    replay=replay,
    beside=beside,
    remember=remember,
)
