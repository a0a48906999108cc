"""PNG plots for MLflow's artifact view: accuracy over time, and change by task.

Concept: the same numbers as in the report, for people who never leave MLflow.

Promise: drawn without a display and without pyplot's global state; nothing is drawn for a
missing number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.report.intervals import Interval, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from components.report.batch_report import Matrix

_DPI = 100
_CHAR_INCHES = 0.085
"""Width of a character at the size of the axes' names, on the generous side."""

_INK, _CALM = "#1c2430", "#5a6675"
_COLOURS = {"PASS": "#1a7f4b", "FAIL": "#b8292f", "INCONCLUSIVE": "#9a6400"}


def accuracy_matrix(matrix: Matrix, path: Path) -> None:
    """Draw accuracy by version (rows) and task (columns) to `path`, a PNG."""
    names = [f"{exam} ({n})" for exam, n in zip(matrix.exams, matrix.items, strict=True)]
    longest = max(map(len, names), default=0)
    slanted = _CHAR_INCHES * longest
    left = max(_wide(matrix.steps), slanted - 0.4)
    margins = _Margins(left, 0.3, 0.5, 0.3 + 0.5 * slanted)
    figure, axes = _drawing(0.95 * len(names), 0.3 * len(matrix.steps), margins)
    percent = [[nan if v is None else 100 * v for v in row] for row in matrix.values]
    known = [value for row in percent for value in row if not isnan(value)]
    low, high = min(known, default=0.0) - 10, max(known, default=100.0) + 10
    axes.imshow(percent, cmap="Blues", aspect="auto", vmin=low, vmax=high)
    for step, row in enumerate(percent):
        for task, value in enumerate(row):
            text = "\N{EN DASH}" if isnan(value) else f"{value:.1f}"
            colour = "white" if value > low + 0.65 * (high - low) else _INK
            axes.text(task, step, text, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), _plain(names), rotation=30, ha="right")
    axes.set_yticks(range(len(matrix.steps)), _plain(matrix.steps))
    axes.set_title("Accuracy on the same items, percent (items)", fontsize=11, loc="left")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    _save(figure, path)


def changes(verdicts: Sequence[Mapping[str, Any]], path: Path) -> bool:
    """Draw each examined task's change against the champion, with bounds and margin.

    Returns:
        False, and no file, where there is nothing to draw (the first batch).
    """
    rows = [verdict for verdict in verdicts if verdict.get("check") == "forgetting"]
    drawn = [(row, each) for row in rows if (each := interval(row)).effect is not None]
    if not drawn:
        return False
    names = [f"{row.get('exam') or row.get('task')}  {row['outcome']}" for row, _ in drawn]
    figure, axes = _drawing(6.0, 0.42 * len(drawn), _Margins(_wide(names), 0.2, 0.15, 0.6))
    for place, (verdict, each) in enumerate(drawn):
        _draw(axes, place, each, _COLOURS.get(str(verdict["outcome"]), _CALM))
    axes.axvline(0, color=_CALM, lw=1)
    axes.set_yticks(range(len(drawn)), _plain(names))
    axes.invert_yaxis()
    axes.set_xlabel("change from the champion, points")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _save(figure, path)
    return True


def _draw(axes: Axes, place: int, each: Interval, colour: str) -> None:
    """Draw one interval with its dot, and its margin as a dashed mark."""
    if each.low is not None and each.high is not None:
        axes.hlines(place, each.low, each.high, color=colour, lw=4, alpha=0.5)
    if each.effect is not None:
        axes.plot(each.effect, place, "o", color=colour, ms=8)
    if each.limit is not None:
        axes.vlines(each.limit, place - 0.4, place + 0.4, color=_COLOURS["FAIL"], ls="--", lw=1.2)


@dataclass(frozen=True, slots=True)
class _Margins:
    """Inches around the axes."""

    left: float
    right: float
    top: float
    bottom: float


def _wide(names: Sequence[str]) -> float:
    """Return the inches that names beside an axis take, at most."""
    return 0.25 + _CHAR_INCHES * min(60, max(map(len, names), default=0))


def _drawing(width: float, height: float, margins: _Margins) -> tuple[Figure, Axes]:
    """Return a figure around axes of so many inches.

    The margins are reckoned from the names: to have matplotlib measure them draws every
    text twice, and is half the cost of a page.
    """
    from matplotlib.figure import Figure

    whole_width = min(max(width, 2.0) + margins.left + margins.right, 40.0)
    whole_height = min(max(height, 0.6) + margins.top + margins.bottom, 40.0)
    figure = Figure(figsize=(whole_width, whole_height))
    left, bottom = margins.left / whole_width, margins.bottom / whole_height
    right, top = 1 - margins.right / whole_width, 1 - margins.top / whole_height
    return figure, figure.add_axes((left, bottom, right - left, top - bottom))


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=_DPI)


def _plain(names: Sequence[str]) -> list[str]:
    """Keep matplotlib from reading names as formulas."""
    return [name.replace("$", r"\$") for name in names]
