"""Replay: train on remembered rows beside the new ones, balanced over (task, label).

Source: Rolnick et al. 2019, Experience Replay for Continual Learning; balanced memory as in
Prabhu et al. 2020, GDumb.
"""

from __future__ import annotations

from components.training.memory import MemoryRef, balanced
from components.training.strategies.strategy import Features, Situation, Strategy


def replay(situation: Situation) -> tuple[MemoryRef, ...]:
    """Return `replay_ratio` remembered rows a new row and round, as far as the memory goes."""
    fresh = {ref.item for ref in situation.new}
    known = [ref for ref in situation.memory if ref.item not in fresh]
    size = situation.beside * situation.rounds
    return balanced(known, size, [situation.seed, sorted(fresh)])


def remember(situation: Situation, features: Features) -> tuple[MemoryRef, ...]:
    """Return the new memory: at most `memory_items` of all that was seen."""
    seen = situation.memory + situation.new
    return balanced(seen, situation.settings.memory_items, situation.seed)


STRATEGY = Strategy(replay, remember)
