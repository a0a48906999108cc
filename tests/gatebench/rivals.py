"""Three other gates on identical predictions.

First updates of five tasks, drawn once and decided by four rules. *Ours*:
the gate now, on a pool whose disagreements are asked about. *Threshold*: block on an observed loss
above 1 point on any task. *Proven worse*: block only where a loss is shown (one-sided sign test
at 5 %, shared by the tasks). *At least X*: block where the observed accuracy on any task is below
83 %, one point below the first version's true one; its items are new each time. *Falsely refused*:
of harmless updates, not promoted. *Falsely promoted*: of updates that lose 3 or 6 points on one
task.
*At least X* needs every input labelled, the two others those that the versions label differently.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.gatebench.gates import GATE, Gate, above_p
from tests.gatebench.latent import ACCURACY
from tests.gatebench.pooled import first_updates
from tests.gatebench.worlds import THRESHOLD
from tests.page import Check, Section, opening

ROUNDS, TASKS, SIZES = 10_000, 5, (250, 1000)
LABEL_ROUNDS = 300
CHURNS = (0.02, 0.05, 0.08)
LOSSES = (0.0, 0.03, 0.06)
BAR = ACCURACY - 0.01

Rule = Callable[[Any, Any, Any, int], Any]
"""(worse, better, right), each (rounds, tasks), and items -> promoted, (rounds,)."""


def drawn(items: int, churn: float, loss: float, rounds: int, seed: int) -> tuple[Any, Any, Any]:
    """Return (worse, better, right before) of updates that lose `loss` on the first task."""
    random = np.random.default_rng(seed)
    counts = []
    for task in range(TASKS):
        lost = loss if task == 0 else 0.0
        changed = max(churn, lost)
        chances = [(changed + lost) / 2, (changed - lost) / 2, 1 - changed]
        counts.append(random.multinomial(items, chances, rounds)[:, :2])
    worse, better = np.moveaxis(np.stack(counts, 1), -1, 0)
    right = worse + random.binomial(items - worse - better, ACCURACY)
    return worse, better, right


def ours(worse: Any, better: Any, right: Any, items: int) -> Any:
    """The gate, at a first update: the anchor is the champion."""
    counts = (worse, better)
    return Gate("now", *worse.shape).decide(counts, counts, items).promoted


def threshold(worse: Any, better: Any, right: Any, items: int) -> Any:
    """Block on an observed loss above the threshold."""
    return ((worse - better) / items <= THRESHOLD).all(-1)


def proven_worse(worse: Any, better: Any, right: Any, items: int) -> Any:
    """Block on a shown loss alone."""
    return (above_p((worse, better), items, 0.0) > GATE.alpha / TASKS).all(-1)


def at_least(worse: Any, better: Any, right: Any, items: int) -> Any:
    """Block below a fixed accuracy."""
    return ((right - worse + better) / items >= BAR).all(-1)


RULES: dict[str, Rule] = {
    "ours": ours,
    "threshold": threshold,
    "proven worse": proven_worse,
    "at least X": at_least,
}


def measure(folder: Path, plots: Path) -> Section:
    """Draw once, decide four times."""
    found: dict[tuple[int, float, str], list[float]] = {}
    for items in SIZES:
        for churn in CHURNS:
            for loss in LOSSES:
                counts = drawn(items, churn, loss, ROUNDS, seed=1)
                for name, rule in RULES.items():
                    promoted = float(rule(*counts, items).mean())
                    found.setdefault((items, churn, name), []).append(promoted)
    labels = {
        (items, churn): float(first_updates(churn, items, LABEL_ROUNDS, 1)[0].mean())
        for items in SIZES
        for churn in CHURNS
    }
    rows = [
        "| inputs a task | churn | rule | falsely refused | falsely promoted: 3 points | 6 points"
        " | labels, all tasks |",
        "|---|---|---|---|---|---|---|",
    ]
    for (items, churn, name), (harmless, three, six) in found.items():
        asked = {"ours": labels[items, churn], "at least X": items}
        used = TASKS * asked.get(name, churn * items)
        rows.append(
            f"| {items:,} | {100 * churn:g} % | {name} | {100 * (1 - harmless):.1f} % |"
            f" {100 * three:.1f} % | {100 * six:.1f} % | {used:,.0f} |"
        )
    let_in = 100 * max(max(each[1:]) for (*_, name), each in found.items() if name == "ours")
    refused = 100 * max(1 - found[SIZES[-1], churn, "ours"][0] for churn in CHURNS[:2])
    checks = [
        Check("ours: losses of 3 or 6 points promoted", let_in, "at most", 5.0, " %"),
        Check(
            f"ours: harmless not promoted, {SIZES[-1]:,} inputs, churn up to 5 %",
            refused,
            "at most",
            10.0,
            " %",
        ),
    ]
    text = "\n\n".join([opening(__doc__), "\n".join(rows)])
    return Section("Other gates on the same predictions", checks, text)
