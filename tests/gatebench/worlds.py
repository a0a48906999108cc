"""Streams of updates whose true losses are known, on exams made of real models' items.

Concept: an item has the chance to be answered rightly that real versions had of it
(`models.hardness`). An update redraws the answers to a share of the items, which is its churn,
and where it truly loses, turns right answers wrong. Champion and anchor sit the same items
decision after decision, so luck stays where it fell, as it does in life.

Promise: the verdicts are those of `gates.Gate`, as it is now; the same seed gives the same streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tests.gatebench.gates import GATE, MARGIN, Gate, above_p, within_p

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
        self.gate = Gate("now", *size[:2])

    def candidate(self, loss: Any) -> tuple[Any, Any]:
        """Return an update's answers and levels; `loss`: true loss, (streams, tasks)."""
        before = self.level
        after = before - np.asarray(loss, np.float32) / self.mean
        again = self._roll() < self.redrawn
        right = np.where(again, self._roll() < self.chance * before[..., None], self.champion)
        kept = np.minimum(after / before, 1.0)[..., None]
        right &= self._roll() < kept
        return right, after

    def decide(self, right: Any, rule: Rule) -> Any:
        """Return PROMOTED, HELD or REJECTED for each stream, (streams,)."""
        if rule == "threshold":
            lost = (self.champion.mean(-1) - right.mean(-1)).max(-1)
            return np.where(lost > THRESHOLD, REJECTED, PROMOTED)
        champion = _changes(self.champion, right)
        if rule == "gate":
            decided = self.gate.decide(champion, _changes(self.anchor, right), self.shape.items)
            promoted, rejected = decided.promoted, decided.rejected
        else:
            bar = GATE.alpha / self.shape.tasks
            rejected = (above_p(champion, self.shape.items, MARGIN) <= bar).any(-1)
            promoted = (within_p(champion, self.shape.items, MARGIN) <= GATE.alpha).all(-1)
        return np.where(rejected, REJECTED, np.where(promoted, PROMOTED, HELD))

    def promote(self, which: Any, right: Any, level: Any) -> None:
        """Bring candidates into force in the streams that `which` marks, and move anchors."""
        self.champion[which], self.level[which] = right[which], level[which]
        worse, better = _changes(self.anchor, self.champion)
        # shown better than its anchor: the counts exchanged
        shown = above_p((better, worse), self.shape.items, 0.0) <= self.gate.move_level
        moved = shown & which[:, None]
        self.anchor[moved], self.anchor_level[moved] = self.champion[moved], self.level[moved]

    def lost(self) -> Any:
        """Return the champion's true loss since the beginning, (streams, tasks)."""
        return self.mean * (1 - self.level)

    def _roll(self) -> Any:
        return self.random.random(self.chance.shape, np.float32)


def _changes(before: Any, after: Any) -> tuple[Any, Any]:
    """Return (worse, better), each (streams, tasks)."""
    return (before & ~after).sum(-1), (after & ~before).sum(-1)
