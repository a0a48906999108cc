"""Streams of updates whose true losses are known, on exams made of real models' items.

Concept: an item has the chance to be answered rightly that real versions had of it
(`models.hardness`). An update redraws the answers to a share of the items, which is its churn,
and where it truly loses, turns right answers wrong. Champion and anchor sit the same items
decision after decision, so luck stays where it fell, as it does in life.

Promise: the verdicts are those of the gate (`planning.outcomes`); the same seed gives the same
streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from components.gate import planning
from components.gate.verdicts import Rules

GATE = Rules(margin_points=3.0, anchor_margin_points=6.0)
"""The product's default margins."""

Rule = Literal["gate", "per step", "threshold"]
RULES: tuple[Rule, ...] = ("gate", "per step", "threshold")
THRESHOLD = 0.01
"""The rule that most pipelines have: block on an observed loss above 1 point on any task."""

PROMOTED, HELD, REJECTED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a world is: exams, their items, and the share of answers an update changes."""

    tasks: int
    items: int
    churn: float


class World:
    """Many streams at once. Answers are (streams, tasks, items), levels (streams, tasks).

    The true accuracy of a version on a task is `mean * level`.
    """

    def __init__(self, hard: Any, shape: Shape, streams: int, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.shape, self.mean = shape, float(hard.mean())
        self.redrawn = min(1.0, shape.churn / float(2 * (hard * (1 - hard)).mean()))
        size = (streams, shape.tasks, shape.items)
        self.chance = self.random.choice(hard.astype(np.float32), size)
        self.champion = self._roll() < self.chance
        self.anchor = self.champion.copy()
        self.level = np.ones(size[:2], np.float32)
        self.anchor_level = self.level.copy()
        self.turned_away = np.zeros(size[:2], int)

    def candidate(self, loss: Any) -> tuple[Any, Any]:
        """Return an update's answers and levels; `loss`: true loss, (streams, tasks)."""
        before = self.level
        after = before - np.asarray(loss, np.float32) / self.mean
        again = self._roll() < self.redrawn
        right = np.where(again, self._roll() < self.chance * before[..., None], self.champion)
        kept = np.minimum(after / before, 1.0)[..., None]
        right &= self._roll() < kept
        return right, after

    def decide(self, right: Any, rule: Rule, rules: Rules) -> Any:
        """Return PROMOTED, HELD or REJECTED for each stream, (streams,)."""
        if rule == "threshold":
            lost = (self.champion.mean(-1) - right.mean(-1)).max(-1)
            return np.where(lost > THRESHOLD, REJECTED, PROMOTED)
        found = [self._sit(self.champion, right, rules.margin_points, rules, rules.alpha)]
        if rule == "gate":
            level = rules.anchor_alpha(self.turned_away)
            found.append(self._sit(self.anchor, right, rules.anchor_margin_points, rules, level))
            self.turned_away += ~(found[0].passed & found[1].passed)
        rejected, promoted = planning.decide(found, rules.alpha)
        return np.where(rejected, REJECTED, np.where(promoted, PROMOTED, HELD))

    def promote(self, which: Any, right: Any, level: Any, rules: Rules) -> None:
        """Bring candidates into force in the streams that `which` marks, and move anchors."""
        self.champion[which], self.level[which] = right[which], level[which]
        worse, better = _changes(self.anchor, self.champion)
        # shown better than its anchor: the counts exchanged
        p_values = planning.loss_p_values(better, worse, self.shape.items)
        moved = (p_values <= rules.move_alpha) & which[:, None]
        self.anchor[moved], self.anchor_level[moved] = self.champion[moved], self.level[moved]

    def lost(self) -> Any:
        """Return the champion's true loss since the beginning, (streams, tasks)."""
        return self.mean * (1 - self.level)

    def _sit(
        self, before: Any, right: Any, points: float, rules: Rules, level: Any
    ) -> planning.Found:
        counts = _changes(before, right)
        return planning.outcomes(*counts, self.shape.items, points / 100, rules.alpha, level)

    def _roll(self) -> Any:
        return self.random.random(self.chance.shape, np.float32)


def _changes(before: Any, after: Any) -> tuple[Any, Any]:
    """Return (worse, better), each (streams, tasks)."""
    return (before & ~after).sum(-1), (after & ~before).sum(-1)
