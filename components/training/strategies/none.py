"""No protection: train on the new rows alone. The baseline that forgets."""

from __future__ import annotations

from components.training.memory import MemoryRef
from components.training.strategies.strategy import Situation, Strategy


def nothing(situation: Situation) -> tuple[MemoryRef, ...]:
    """Return no rows."""
    return ()


STRATEGY = Strategy(nothing, nothing)
