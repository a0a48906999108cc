"""The bench's plots: accuracy over time, against stored bytes, and against seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from components.bench.run import Kept
from components.bench.table import REFERENCE, Line, labelled, matrix_of
from components.evaluation.metrics import average_accuracy

SHOWN = (
    REFERENCE,
    "joint",
    "replay",
    "sequential",
    "hybrid",
    "analytic",
    "experts, LoRA",
    "pool, LoRA",
    "merge, average",
    "task_vectors",
    "prototype, mean",
)
"""The strategies whose curves are drawn; all of them would be a thicket."""


def over_time(runs: Sequence[Kept], stream: str, path: Path) -> None:
    """Draw the average accuracy over the tasks so far, after each task, the mean over seeds."""
    figure, axes = _figure()
    for number, row in enumerate(SHOWN):
        own = [
            run
            for run in runs
            if (run["table"], run["stream"], run["row"]) == ("strategies", stream, row)
            and "steps" in run
        ]
        if not own:
            continue
        steps = range(len(own[0]["steps"]))
        curve = [
            100 * mean(average_accuracy(matrix_of(run), step) or 0.0 for run in own)
            for step in steps
        ]
        style = "--" if row.startswith("joint") else "-"
        axes.plot(
            [1 + step for step in steps], curve, style, label=labelled(row, own), color=f"C{number}"
        )
    axes.set_xlabel("tasks learned")
    axes.set_ylabel("average accuracy, %")
    axes.set_title(stream)
    axes.legend(fontsize=7, loc="best")
    _save(figure, path)


def against(lines: Sequence[Line], column: str, title: str, path: Path) -> None:
    """Draw the final accuracy against another column (logarithmic), and the best ones' edge."""
    points = [
        (line.found[column][0], line.found["final accuracy"][0], line.label)
        for line in lines
        if line.refused is None and column in line.found and line.found[column][0] > 0
    ]
    from matplotlib.ticker import LogFormatter

    figure, axes = _figure()
    edge, best = [], float("-inf")
    for across, up, _ in sorted(points):
        if up > best:
            best = up
            edge.append((across, up))
    axes.step(*zip(*edge, strict=True), where="post", color="0.7", zorder=1)
    for number, (across, up, row) in enumerate(points):
        axes.scatter(across, up, color=f"C{number % 10}", zorder=2, s=18)
        axes.annotate(row, (across, up), fontsize=6, xytext=(3, 3), textcoords="offset points")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.4)))
    axes.set_xlabel(column)
    axes.set_ylabel("final average accuracy, %")
    axes.set_title(title)
    _save(figure, path)


def _figure() -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.5), dpi=110)
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)
