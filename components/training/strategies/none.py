"""No protection: train on the new rows alone. The baseline that forgets."""

from __future__ import annotations

from components.training.memory import MemoryRef
from components.training.strategies.strategy import Features, Situation, Strategy


def replay(situation: Situation) -> tuple[MemoryRef, ...]:
    """Return no rows."""
    return ()


def remember(situation: Situation, features: Features) -> tuple[MemoryRef, ...]:
    """Return no rows."""
    return ()


STRATEGY = Strategy(replay, remember)
