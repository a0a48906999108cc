"""Champions that lost no more than the gate allows, looked at a thousand times.

Each look comes after five more items of each exam. An update changes 5 % of the answers, and what
it loses besides. *watch*: the rule of `ratchet watch` at the level that it uses, which is shared
over exams and ancestors; a champion counts as rolled back if any exam fails against any ancestor
at any look. *no more than allowed*: it lost the margin, 3 points, to its parent and the anchor's
margin, 6 points, to all that are older. *small steps*: ten promotions of 0.4 points each. *each
look*: the usual test against the margin at the same level, repeated each time. The second table:
one look at a champion that lost so many points on one exam, to all its ancestors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.gate.anytime import log_evidence_against
from components.gate.planning import loss_p_values
from components.gate.regression_watch import shares
from tests.gatebench.worlds import GATE
from tests.page import Check, Section, opening

LOOKS, ITEMS_A_LOOK, STREAMS, CHURN, ALPHA = 1000, 5, 400, 0.05, 0.05
SHAPES = ((1, 1), (5, 10))
"""(tasks, ancestors)."""
ALLOWED = (GATE.margin_points, GATE.anchor_margin_points)
STORIES = {
    "no more than allowed": (ALLOWED[0], ALLOWED[1] - ALLOWED[0]),
    "small steps": (0.4,) * 10,
}
"""Points that each promotion lost, the newest first."""
NOTICED = ((300, 1, 1), (600, 1, 1), (1000, 1, 1), (2000, 1, 1), (1000, 5, 10), (2000, 5, 10))
LOSSES, ROUNDS = (5.0, 8.0), 20_000


def counts(
    steps: Sequence[float], ancestors: int, streams: int, random: np.random.Generator
) -> list[tuple[Any, Any]]:
    """Return (worse, better) against each ancestor, the parent first; each (streams, looks).

    The change of an item from ancestor to champion is the sum of the steps between: the first
    step that changed it is the one that counts.
    """
    size = (streams, LOOKS, ITEMS_A_LOOK)
    change, found = np.zeros(size, np.int8), []
    for place in range(ancestors):
        loss = steps[place] / 100 if place < len(steps) else 0.0
        churn = CHURN + loss
        roll, free = random.random(size, np.float32), change == 0
        # what is already changed can't change again: the others make up for it
        scale = 1 / max(float(free.mean()), 0.5)
        change[free & (roll < scale * (churn + loss) / 2)] = 1
        change[free & (roll >= scale * (churn + loss) / 2) & (roll < scale * churn)] = -1
        found.append(tuple((change == way).sum(-1).cumsum(-1) for way in (1, -1)))
    return found


def limits(ancestors: int, tasks: int) -> list[tuple[float, float]]:
    """Return (margin, level) of an exam's comparison with each ancestor."""
    levels = shares(tasks, ancestors, ALPHA)
    return [(ALLOWED[place > 0] / 100, level) for place, level in enumerate(levels)]


def rolled_back(
    steps: Sequence[float], tasks: int, ancestors: int, seed: int, streams: int = STREAMS
) -> tuple[float, float]:
    """Return the share of champions rolled back at some look, by `watch` and by each look."""
    random, items = np.random.default_rng(seed), ITEMS_A_LOOK * np.arange(1, LOOKS + 1)
    watched, looked = np.zeros(streams, bool), np.zeros(streams, bool)
    for _ in range(tasks):
        seen = counts(steps, ancestors, streams, random)
        for (margin, level), (worse, better) in zip(limits(ancestors, tasks), seen, strict=True):
            evidence = log_evidence_against(better, worse, items, -margin)
            watched |= (evidence >= -np.log(level)).any(-1)
            for place in range(20, LOOKS, 20):  # a twentieth of the looks is enough to fail
                own = loss_p_values(worse[:, place], better[:, place], int(items[place]), margin)
                looked |= own <= level
    return float(watched.mean()), float(looked.mean())


def noticed(items: int, tasks: int, ancestors: int, points: float, seed: int) -> float:
    """Return the share of champions found at one look that lost so much on one exam."""
    random, churn = np.random.default_rng(seed), CHURN + points / 100
    changed = random.binomial(items, churn, ROUNDS)
    worse = random.binomial(changed, (churn + points / 100) / (2 * churn))
    found = [
        log_evidence_against(changed - worse, worse, items, -margin) >= -np.log(level)
        for margin, level in limits(ancestors, tasks)
    ]
    return float(np.logical_or.reduce(found).mean())


def measure(folder: Path, plots: Path) -> Section:
    """Look."""
    found = {
        (story, shape): rolled_back(steps, *shape, seed=1)
        for story, steps in STORIES.items()
        for shape in SHAPES
    }
    seen = {
        (*each, points): noticed(*each, points, seed=2) for each in NOTICED for points in LOSSES
    }
    checks = [
        Check(f"{story}, {shape[0]} x {shape[1]}: rolled back", 100 * watch, "at most", 5.0, " %")
        for (story, shape), (watch, _) in found.items()
    ]
    checks += [
        Check(f"8 points noticed, {items:,} items, {tasks} x {ancestors}",
              100 * seen[items, tasks, ancestors, 8.0], "at least", 90.0, " %")
        for items, tasks, ancestors in ((1000, 1, 1), (2000, 5, 10))
    ]  # fmt: skip
    rows = ["| champion | tasks x ancestors | watch | each look |", "|---|---|---|---|"]
    rows += [
        f"| {story} | {tasks} x {ancestors} | {100 * watch:.1f} % | {100 * usual:.1f} % |"
        for (story, (tasks, ancestors)), (watch, usual) in found.items()
    ]
    power = ["| items | tasks x ancestors | " + " | ".join(f"{p:g} points" for p in LOSSES) + " |"]
    power += ["|---|---|" + "---|" * len(LOSSES)]
    power += [
        f"| {items:,} | {tasks} x {ancestors} | "
        + " | ".join(f"{100 * seen[items, tasks, ancestors, p]:.1f} %" for p in LOSSES)
        + " |"
        for items, tasks, ancestors in NOTICED
    ]
    told = f"{STREAMS} champions, {LOOKS:,} looks each; {ROUNDS:,} champions a cell below."
    text = "\n\n".join([opening(__doc__), told, "\n".join(rows), "\n".join(power)])
    return Section("Looking again and again", checks, text)
