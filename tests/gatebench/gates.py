"""The gate's decisions over many streams at once, by the rule now and the rule before.

Concept: *now* is what the product does. PASS: the loss is shown below the margin, at 0.8 of alpha
against the champion (the first look at a batch) and at the level that `alpha_spending` leaves
against the anchor. FAIL: the loss is shown above the margin, among all comparisons of the decision
(Holm's first step, which decides whether there is any). *Before* is the rule up to November 2026:
all of alpha at every look; FAIL where a loss is real and not shown within the margin; and every
candidate that an exam did not let pass spends, whatever became of it.

Promise: both take counts and give arrays, (streams,) and (streams, tasks). The p-values are
Tango's in the normal limit, as the gate's on more than 60 items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from components.gate.alpha_spending import FAR, look_share, share
from components.gate.paired_statistics import score
from components.gate.verdicts import Rules

Name = Literal["now", "before"]
NAMES: tuple[Name, ...] = ("now", "before")

GATE = Rules(margin_points=3.0, anchor_margin_points=6.0)
"""The product's default margins."""
MARGIN, ANCHOR_MARGIN = GATE.margin_points / 100, GATE.anchor_margin_points / 100
LEAST_ITEMS = 99
"""The smallest exam that can pass at the default margin, if nothing changes."""

Counts = tuple[Any, Any]
"""(worse, better), arrays of one shape."""


def within_p(counts: Counts, items: Any, margin: float) -> Any:
    """Return the p-values against "the loss is `margin` or more"."""
    from scipy.special import ndtr

    return ndtr(score(*counts, items, margin))


def above_p(counts: Counts, items: Any, margin: float) -> Any:
    """Return the p-values against "the loss is `margin` or less"."""
    from scipy.special import ndtr

    return ndtr(-score(*counts, items, margin))


def level_now(count: Any) -> Any:
    """Return the level against the anchor after these counts."""
    return GATE.anchor_alpha(count)


def level_before(turned_away: Any) -> Any:
    """Return the level against the anchor after so many were turned away."""
    return GATE.alpha / 2 * share(turned_away)


def first_look() -> float:
    """Return the level against the champion at the first look."""
    return GATE.alpha * look_share(0)


@dataclass(slots=True)
class Decided:
    """promoted, rejected: (streams,); passed: each exam's own, (streams, tasks)."""

    promoted: Any
    rejected: Any
    passed: Any


class Gate:
    """What a rule remembers of the exams of many streams, (streams, tasks)."""

    def __init__(self, rule: Name, streams: int, tasks: int) -> None:
        self.rule = rule
        self.held = np.zeros((streams, tasks))
        self.spent = np.zeros((streams, tasks))

    @property
    def level(self) -> Any:
        """The levels against the anchors."""
        if self.rule == "before":
            return level_before(self.held)
        return level_now(self.spent + self.held)

    @property
    def move_level(self) -> float:
        """The level of moving an anchor."""
        return GATE.move_alpha if self.rule == "now" else GATE.alpha / 200

    def decide(
        self,
        champion: Counts,
        anchor: Counts,
        items: Any,
        anchor_items: Any = None,
        gone: float = 0.0,
    ) -> Decided:
        """Decide, and count what did not pass.

        Args:
            champion, anchor: counts against each of them, (streams, tasks).
            items, anchor_items: of the exams; the anchor's where they are others.
            gone: the share of the exams' items that left with this update.
        """
        older = items if anchor_items is None else anchor_items
        level = self.level
        first = within_p(champion, items, MARGIN)
        second = within_p(anchor, older, ANCHOR_MARGIN)
        enough = (np.minimum(items, older) >= LEAST_ITEMS) & np.ones_like(first, bool)
        own = first_look() if self.rule == "now" else GATE.alpha
        passed = (first <= own) & (second <= level) & enough
        bar = GATE.alpha / (2 * first.shape[-1])
        if self.rule == "now":
            against = (above_p(champion, items, MARGIN), above_p(anchor, older, ANCHOR_MARGIN))
            failed = (against[0] <= bar) | (against[1] <= bar)
        else:
            against = (above_p(champion, items, 0.0), above_p(anchor, older, 0.0))
            failed = (against[0] <= bar) & (first > GATE.alpha)
            failed |= (against[1] <= bar) & (second > GATE.alpha)
        self._remember(passed, failed, second, level, gone)
        rejected = failed.any(-1)
        return Decided(passed.all(-1) & ~rejected, rejected, passed)

    def _remember(self, passed: Any, failed: Any, second: Any, level: Any, gone: float) -> None:
        if self.rule == "before":
            self.held += ~passed
            return
        far = (second > level) & (second > FAR) & ~failed
        self.held = self.held * (1 - gone) + (~passed & ~failed & ~far)
        self.spent += far
