"""What becomes of updates whose true losses are known, under three rules.

10,000 histories per row: 20 earlier tasks, an exam of 500 items each, one update. *gate*: ours.
*per step*: the same test against the champion alone. *threshold*: block on an observed loss above
1 point on any task. The second table has exams of the size that `ratchet gate plan` names for
that churn; the third follows streams of 100 updates in which the champion changes, and says
how often it ended with more lost on a task than the anchor's margin. What was promoted drifts
away from the anchor in single answers, even where nothing is lost: so a stream needs larger exams
than its first update, and `gate plan` asks for more as it goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from components.gate.planning import Sitting, items_needed
from tests.gatebench.gates import GATE
from tests.gatebench.models import answers, hardness
from tests.gatebench.worlds import HELD, PROMOTED, REJECTED, RULES, Rule, Shape, World
from tests.page import Check, Section, opening

HISTORIES, CHUNK = 10_000, 250
TASKS, ITEMS = 20, 500
CHURNS = (0.01, 0.02, 0.04, 0.08)
STREAMS, UPDATES = 200, 100
LARGER = (1000, 2000)

Losses = Callable[[np.random.Generator, int, int], Any]
"""(random, streams, tasks) -> true losses of the next update, (streams, tasks)."""


def harmless(random: np.random.Generator, streams: int, tasks: int) -> Any:
    """Nothing is lost."""
    return np.zeros((streams, tasks))


def on_one_task(points: float) -> Losses:
    """Return losses of `points` on one task, each as likely."""

    def losses(random: np.random.Generator, streams: int, tasks: int) -> Any:
        lost = np.zeros((streams, tasks))
        lost[np.arange(streams), random.integers(tasks, size=streams)] = points / 100
        return lost

    return losses


def always_on_one(points: float) -> Losses:
    """Return losses of `points` on the first task."""

    def losses(random: np.random.Generator, streams: int, tasks: int) -> Any:
        lost = np.zeros((streams, tasks))
        lost[:, 0] = points / 100
        return lost

    return losses


STORIES: dict[str, Losses] = {
    "nothing is lost": harmless,
    "0.3 points on one and the same task": always_on_one(0.3),
    "1.5 points on any one task": on_one_task(1.5),
    "3 points on any one task": on_one_task(3.0),
}


def shares(hard: Any, shape: Shape, losses: Losses, seed: int) -> dict[Rule, list[float]]:
    """Return the shares promoted, held and rejected of `HISTORIES` single updates."""
    found = {rule: np.zeros(3) for rule in RULES}
    for start in range(0, HISTORIES, CHUNK):
        world = World(hard, shape, CHUNK, seed + start)
        right, _ = world.candidate(losses(world.random, CHUNK, shape.tasks))
        for rule in RULES:
            actions = world.decide(right, rule)
            found[rule] += [(actions == each).sum() for each in (PROMOTED, HELD, REJECTED)]
    return {rule: list(counts / HISTORIES) for rule, counts in found.items()}


def follow(hard: Any, shape: Shape, losses: Losses, rule: Rule, seed: int) -> dict[str, float]:
    """Return what becomes of streams of updates: actions, and budgets overrun."""
    world = World(hard, shape, STREAMS, seed)
    counts, beyond = np.zeros(3), np.zeros(STREAMS, bool)
    for _ in range(UPDATES):
        right, level = world.candidate(losses(world.random, STREAMS, shape.tasks))
        actions = world.decide(right, rule)
        counts += [(actions == each).sum() for each in (PROMOTED, HELD, REJECTED)]
        world.promote(actions == PROMOTED, right, level)
        beyond |= (world.lost() > GATE.anchor_margin_points / 100).any(-1)
    promoted, held, rejected = counts / counts.sum()
    return {
        "promoted": promoted,
        "held": held,
        "rejected": rejected,
        "beyond": float(beyond.mean()),
        "lost": float(100 * world.lost().max(-1).mean()),
    }


def measure(folder: Path, plots: Path) -> Section:
    """Draw all histories."""
    hard = hardness(answers())
    usual = {
        churn: {
            kind: shares(hard, Shape(TASKS, ITEMS, churn), losses, seed=1)
            for kind, losses in (("harmless", harmless), ("margin", on_one_task(3.0)))
        }
        for churn in CHURNS
    }
    planned = {}
    for churn in CHURNS:
        items = items_needed(Sitting("", ITEMS, churn), TASKS, GATE)
        planned[churn] = items, shares(hard, Shape(TASKS, items, churn), harmless, seed=2)["gate"]
    streams = {
        (story, ITEMS, rule): follow(hard, Shape(TASKS, ITEMS, 0.04), losses, rule, seed=3)
        for story, losses in STORIES.items()
        for rule in RULES
    }
    for story, items in product(list(STORIES)[:2], LARGER):
        shape = Shape(TASKS, items, 0.04)
        streams[story, items, "gate"] = follow(hard, shape, STORIES[story], "gate", seed=3)
    worst = max(each["harmless"]["gate"][REJECTED] for each in usual.values())
    let_in = max(each["margin"]["gate"][PROMOTED] for each in usual.values())
    least = min(found[PROMOTED] for _, found in planned.values())
    overrun = max(found["beyond"] for (_, _, rule), found in streams.items() if rule == "gate")
    checks = [
        Check("harmless updates rejected", 100 * worst, "at most", 5.0, " %"),
        Check("losses of the margin promoted", 100 * let_in, "at most", 5.0, " %"),
        Check("streams beyond the anchor's budget", 100 * overrun, "at most", 5.0, " %"),
        Check(
            f"harmless updates promoted over a stream, {LARGER[-1]:,} items",
            100 * streams[next(iter(STORIES)), LARGER[-1], "gate"]["promoted"],
            "at least",
            80.0,
            " %",
        ),
        Check("harmless updates promoted at the planned size", 100 * least, "at least", 80.0, " %"),
    ]
    text = "\n\n".join(
        [opening(__doc__), _usual(usual), _planned(planned),
         _streams(streams)]
    )  # fmt: skip
    return Section("Histories with a known truth", checks, text)


def _usual(found: dict[float, dict[str, dict[Rule, list[float]]]]) -> str:
    rows = [
        "| churn | rule | harmless: promoted / held / rejected | loses the margin on one task |",
        "|---|---|---|---|",
    ]
    for churn, kinds in found.items():
        for rule in RULES:
            cells = " | ".join(_percent(kinds[kind][rule]) for kind in ("harmless", "margin"))
            rows.append(f"| {100 * churn:g} % | {rule} | {cells} |")
    return "\n".join(rows)


def _planned(found: dict[float, tuple[int, list[float]]]) -> str:
    rows = ["| churn | items an exam, as planned | harmless: promoted / held / rejected |"]
    rows.append("|---|---|---|")
    for churn, (items, actions) in found.items():
        rows.append(f"| {100 * churn:g} % | {items:,} | {_percent(actions)} |")
    return "\n".join(rows)


def _streams(found: dict[tuple[str, int, Rule], dict[str, float]]) -> str:
    rows = [
        f"{STREAMS} streams of {UPDATES} updates, churn 4 %:",
        "",
        "| each update loses | items an exam | rule | promoted / held / rejected"
        " | streams beyond 6 points | most lost at the end, mean |",
        "|---|---|---|---|---|---|",
    ]
    for (story, items, rule), each in found.items():
        actions = _percent([each[name] for name in ("promoted", "held", "rejected")])
        rows.append(
            f"| {story} | {items:,} | {rule} | {actions} | {100 * each['beyond']:.1f} %"
            f" | {each['lost']:.1f} points |"
        )
    return "\n".join(rows)


def _percent(parts: list[float]) -> str:
    return " / ".join(f"{100 * part:.1f} %" for part in parts)
