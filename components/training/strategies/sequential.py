"""No protection: train on the new rows alone. The naive reference, which forgets."""

from __future__ import annotations

from components.training.strategies.strategy import Strategy

STRATEGY = Strategy(keeps="Nothing.")
