"""PNG plots for MLflow's artifact view: accuracy over time, and change by task.

Concept: the same numbers as in the report, for people who never leave MLflow.

Promise: drawn without a display and without pyplot's global state; nothing is drawn for a
missing number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.report.intervals import interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from components.report.batch_report import Matrix

_DPI = 110
_COLOURS = {"PASS": "#1a7f4b", "FAIL": "#b8292f", "INCONCLUSIVE": "#9a6400"}


def accuracy_matrix(matrix: Matrix, path: Path) -> None:
    """Draw accuracy by version (rows) and task (columns) to `path`, a PNG."""
    figure = _figure(2.4 + 0.95 * len(matrix.tasks), 1.5 + 0.42 * len(matrix.steps))
    axes = figure.subplots()
    percent = [[float("nan") if v is None else 100 * v for v in row] for row in matrix.values]
    known = [value for row in percent for value in row if value == value]
    low, high = min(known, default=0.0), max(known, default=100.0)
    axes.imshow(percent, cmap="Blues", aspect="auto", vmin=low - 10, vmax=max(high, low + 10) + 5)
    for step, row in enumerate(percent):
        for task, value in enumerate(row):
            text, dark = ("\N{EN DASH}", False) if value != value else (f"{value:.1f}", value > high - 5)
            colour = "white" if dark and high - low > 5 else "#1c2430"
            axes.text(task, step, text, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(matrix.tasks)), _plain(matrix.tasks), rotation=30, ha="right")
    axes.set_yticks(range(len(matrix.steps)), _plain(matrix.steps))
    axes.set_title("Accuracy of each version on each task, percent", fontsize=11, loc="left")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    _save(figure, path)


def changes(verdicts: Sequence[Mapping[str, Any]], path: Path) -> bool:
    """Draw each examined task's change against the champion, with bounds and margin.

    Returns:
        False, and no file, where there is nothing to draw (the first batch).
    """
    drawn = [
        (verdict, each)
        for verdict in verdicts
        if verdict.get("check") == "forgetting" and (each := interval(verdict)).effect is not None
    ]
    if not drawn:
        return False
    figure = _figure(8.0, 1.4 + 0.42 * len(drawn))
    axes = figure.subplots()
    for place, (verdict, each) in enumerate(drawn):
        colour = _COLOURS.get(str(verdict["outcome"]), "#52606f")
        if each.low is not None and each.high is not None:
            axes.plot([each.low, each.high], [place, place], color=colour, lw=4, alpha=0.5, solid_capstyle="round")
        axes.plot([each.effect], [place], "o", color=colour, ms=8)
        if each.limit is not None:
            axes.plot([each.limit] * 2, [place - 0.4, place + 0.4], "--", color="#b8292f", lw=1.2)
    axes.axvline(0, color="#5a6675", lw=1)
    names = [f"{verdict.get('exam') or verdict.get('task')}  {verdict['outcome']}" for verdict, _ in drawn]
    axes.set_yticks(range(len(drawn)), _plain(names))
    axes.invert_yaxis()
    axes.set_xlabel("change against the champion, points")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _save(figure, path)
    return True


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(min(width, 40.0), min(height, 40.0)), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=_DPI)


def _plain(names: Sequence[str]) -> list[str]:
    """Keep matplotlib from reading names as formulas."""
    return [name.replace("$", r"\$") for name in names]
