"""Losses too small to be seen one at a time, and the noise of a maximum.

Slow drip: 50 updates that each lose 0.3 points on one task of one exam; 300 streams per row. The
budget is the anchor's margin, 6 points. Maximum so far: nothing is ever lost, every update is let
in, and the reference is the best accuracy seen so far, as many pipelines keep it; how far it lies
above the truth is how much a fine update seems to have lost. The anchor moves only to a version
that is shown better. The last table has 200 such updates for exams of other sizes and other churns:
the share of the streams beyond the budget.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.gatebench.gates import GATE
from tests.gatebench.models import answers, hardness
from tests.gatebench.worlds import PROMOTED, Rule, Shape, World
from tests.page import Check, Section, opening

UPDATES, LOSS, STREAMS = 50, 0.003, 300
SIZES, CHURN = (500, 1000, 2000), 0.04
SIDES: tuple[Rule, ...] = ("gate", "per step")
GRID_ITEMS, GRID_CHURNS, GRID_UPDATES = (150, 300, 500, 1000, 2000), (0.01, 0.02, 0.04, 0.08), 200
COLOURS: dict[Rule, str] = {"per step": "#b3401f", "gate": "#1a7f4b"}
MAXIMUM_ITEMS, MAXIMUM_AFTER = 1000, (1, 5, 14, 50)


def drip(hard: Any, items: int, rule: Rule, churn: float = CHURN, updates: int = UPDATES) -> Any:
    """Return the true loss after each update, in points, (updates, streams)."""
    world = World(hard, Shape(1, items, churn), STREAMS, seed=items)
    lost = []
    for _ in range(updates):
        right, level = world.candidate(np.full((STREAMS, 1), LOSS))
        world.promote(world.decide(right, rule) == PROMOTED, right, level)
        lost.append(100 * world.lost()[:, 0])
    return np.stack(lost)


def references(hard: Any) -> tuple[list[float], list[float]]:
    """Return how far maximum and anchor lie above the truth, in points, after each update."""
    world = World(hard, Shape(1, MAXIMUM_ITEMS, CHURN), STREAMS, seed=7)
    everywhere = np.ones(STREAMS, bool)
    highest = world.champion.mean(-1)
    of_maximum, of_anchor = [], []
    truth = world.chance.mean(-1)  # of these items: their luck at the start is no drift
    for _ in range(max(MAXIMUM_AFTER)):
        right, level = world.candidate(np.zeros((STREAMS, 1)))
        world.promote(everywhere, right, level)
        highest = np.maximum(highest, world.champion.mean(-1))
        of_maximum.append(float(100 * (highest - truth).mean()))
        of_anchor.append(float(100 * (world.anchor.mean(-1) - truth).mean()))
    return of_maximum, of_anchor


def measure(folder: Path, plots: Path) -> Section:
    """Follow the drip under both rules, and the two references."""
    hard = hardness(answers())
    found = {(items, rule): drip(hard, items, rule) for items in SIZES for rule in SIDES}
    grid = {
        (items, churn): drip(hard, items, "gate", churn, GRID_UPDATES)[-1]
        for items in GRID_ITEMS
        for churn in GRID_CHURNS
    }
    maximum, anchor = references(hard)
    budget = GATE.anchor_margin_points
    over = {key: 100 * float((lost[-1] > budget).mean()) for key, lost in found.items()}
    checks = [
        Check(
            f"drip beyond the budget, {items} items",
            over[items, "gate"],
            "at most",
            5.0,
            " % of streams",
        )
        for items in SIZES
    ]
    beyond = {key: 100 * float((lost > budget).mean()) for key, lost in grid.items()}
    worst = max(beyond.values())
    checks.append(Check("the same, any size and churn", worst, "at most", 5.0, " % of streams"))
    _draw(found, budget, plots / "drip.png")
    rows = [
        "| items | rule | lost at the end, median | lost at the end, worst | beyond 6 points |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {items:,} | {rule} | {np.median(lost[-1]):.1f} points | {lost[-1].max():.1f} points"
        f" | {over[items, rule]:.1f} % |"
        for (items, rule), lost in found.items()
    ]
    lines = ["| updates | maximum so far | anchor |\n|---|---|---|"]
    lines += [
        f"| {after} | {maximum[after - 1]:+.2f} points | {anchor[after - 1]:+.2f} points |"
        for after in MAXIMUM_AFTER
    ]
    others = ["| items | " + " | ".join(f"churn {100 * c:g} %" for c in GRID_CHURNS) + " |"]
    others.append("|---|" + "---|" * len(GRID_CHURNS))
    for items in GRID_ITEMS:
        cells = " | ".join(f"{beyond[items, churn]:.1f} %" for churn in GRID_CHURNS)
        others.append(f"| {items:,} | {cells} |")
    tables = ("\n".join(each) for each in (rows, lines, others))
    text = "\n\n".join([opening(__doc__), *tables])
    return Section("Slow losses", checks, text, ["drip.png"])


def _draw(found: dict[tuple[int, Rule], Any], budget: float, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.2), layout="constrained")
    panels = figure.subplots(1, len(SIZES), sharey=True)
    updates = np.arange(1, UPDATES + 1)
    for axes, items in zip(panels, SIZES, strict=True):
        for rule, colour in COLOURS.items():
            low, middle, high = np.percentile(found[items, rule], [5, 50, 95], axis=1)
            axes.fill_between(updates, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(updates, middle, color=colour, label=rule)
        axes.axhline(budget, color="#5a6675", linestyle="--", linewidth=1)
        axes.set_title(f"{items:,} items", fontsize=11, loc="left")
        axes.set_xlabel("update")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("points truly lost")
    panels[0].annotate("budget", (1, budget), xytext=(0, 3), textcoords="offset points")
    panels[0].legend(frameon=False, loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=110)
