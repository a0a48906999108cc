"""Continual strategies: one file each, one row here. `strategy.method` names the row."""

from __future__ import annotations

from components.training.strategies import none, replay
from components.training.strategies.strategy import Strategy

STRATEGIES: dict[str, Strategy] = {
    "none": none.STRATEGY,
    "replay": replay.STRATEGY,
}
