"""From kept runs to the columns of the table: mean and spread over seeds.

Promise: every column is computed by a function of `components.evaluation.metrics`, or is what a run
measured; accuracies are in percent, differences in points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from components.bench.run import Kept
from components.evaluation import metrics
from components.evaluation.metrics import AccuracyMatrix, Cell

REFERENCE = "joint, 4 x epochs"
"""The row that others are held against: joint training, given time."""

COLUMNS = (
    "final accuracy",
    "over time",
    "forgetting",
    "backward",
    "forward",
    "intransigence",
    "negative flips",
    "trained",
    "kB a version",
    "kB to learn on",
    "CPU s",
    "peak MB",
)


def matrix_of(run: Kept) -> AccuracyMatrix:
    """Return a run's accuracies; tasks that were not asked yet are None."""
    names, rows = tuple(run["tasks"]), []
    for step in run["steps"]:
        found: list[Cell] = [each.count("1") / len(each) for each in step["right"]]
        rows.append(tuple(found + [None] * (len(names) - len(found))))
    return AccuracyMatrix(names, tuple(range(len(names))), tuple(rows))


def flips_of(run: Kept) -> Cell:
    """Return the mean share of a task's items that one update turned from right to wrong."""
    found = []
    for before, after in zip(run["steps"], run["steps"][1:], strict=False):
        known = len(before["right"]) if run["classes"] else len(before["right"]) - 1
        for place in range(known):
            pair = ([bit == "1" for bit in step["right"][place]] for step in (before, after))
            flips = metrics.negative_flips(*pair)
            found += [flips] if flips is not None else []
    return mean(found) if found else None


def figures(run: Kept, joint: Kept | None) -> dict[str, Cell]:
    """Return a run's columns."""
    matrix = matrix_of(run)
    seen = [row[: step + 1] for step, row in enumerate(matrix.rows)]
    own = AccuracyMatrix(
        matrix.tasks,
        matrix.learned_at,
        tuple(row + (None,) * (len(matrix.tasks) - len(row)) for row in seen),
    )
    forward = None if run["classes"] else metrics.forward_transfer(matrix, run["untrained"])
    stubborn = metrics.intransigence(own, matrix_of(joint)) if joint else None
    last = run["steps"][-1]
    return {
        "final accuracy": _points(metrics.average_accuracy(own)),
        "over time": _points(metrics.average_incremental_accuracy(own)),
        "forgetting": _points(metrics.forgetting(own)),
        "backward": _points(metrics.backward_transfer(own)),
        "forward": _points(forward),
        "intransigence": _points(stubborn),
        "negative flips": _points(flips_of(run)),
        "trained": float(run["trainable"]),
        "kB a version": last["bytes"] / 1000,
        "kB to learn on": last["learning_bytes"] / 1000,
        "CPU s": sum(step["seconds"] for step in run["steps"]),
        "peak MB": run["peak_megabytes"],
    }


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table.

    label: the row's name as it is shown. found: column -> (mean, spread) over seeds. processors:
    the kinds on which it was made. refused: why it cannot be.
    """

    row: str
    seeds: int
    found: dict[str, tuple[float, float]]
    refused: str | None = None
    label: str = ""
    processors: str = ""


def lines(runs: Iterable[Kept], table: str, stream: str) -> list[Line]:
    """Return the rows of one table on one stream, in the order in which they were kept."""
    by_row: dict[str, list[Kept]] = {}
    joint = {}
    for run in runs:
        if run["stream"] != stream:
            continue
        if (run["table"], run["row"]) == ("strategies", REFERENCE) and "steps" in run:
            joint[run["seed"]] = run
        if run["table"] == table:
            by_row.setdefault(run["row"], []).append(run)
    return [_line(row, own, joint) for row, own in by_row.items()]


def _line(row: str, runs: Sequence[Kept], joint: dict[int, Kept]) -> Line:
    if "refused" in runs[0]:
        return Line(row, 0, {}, runs[0]["refused"])
    told = [figures(run, joint.get(run["seed"])) for run in runs]
    found = {}
    for column in COLUMNS:
        values = [each[column] for each in told]
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(values):
            found[column] = (mean(numbers), stdev(numbers) if len(numbers) > 1 else 0.0)
    kinds = sorted({run.get("processor", "not noted") for run in runs})
    return Line(row, len(runs), found, None, labelled(row, runs), ", ".join(kinds))


def strategy_runs(runs: Iterable[Kept], row: str, stream: str) -> list[Kept]:
    """Return a strategy's runs on a stream, without refused ones."""
    wanted = ("strategies", row, stream)
    return [
        run
        for run in runs
        if (run["table"], run["row"], run["stream"]) == wanted and "steps" in run
    ]


def labelled(row: str, runs: Iterable[Kept]) -> str:
    """Return a row's name as it is shown: with a word where settings have changed since."""
    earlier = any(run.get("earlier") for run in runs)
    return f"{row} (measured with earlier settings)" if earlier else row


def markdown(rows: Sequence[Line], columns: Sequence[str]) -> str:
    """Return the rows as a Markdown table; the spread is the sample deviation over seeds."""
    text = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for line in rows:
        if line.refused is None:
            cells = [
                line.processors if column == "processor" else shown(column, line.found.get(column))
                for column in columns
            ]
            text.append(f"| {line.label} | {' | '.join(cells)} |")
    return "\n".join(text)


def shown(column: str, found: tuple[float, float] | None) -> str:
    """Return a figure as it stands in the table, with its spread where there is one."""
    if found is None:
        return "-"
    value, spread = found
    digits = 0 if column in ("trained", "peak MB", "kB a version", "kB to learn on") else 1
    text = f"{value:,.{digits}f}"
    return text if digits == 0 or spread == 0 else f"{text} ± {spread:.{digits}f}"


def _points(cell: Cell) -> Cell:
    return None if cell is None else 100 * cell


def difference(one: Sequence[Kept], other: Sequence[Kept], draws: int = 2000) -> dict[str, Any]:
    """Return how far two rows lie apart, with a 95 % interval over items and seeds.

    Both are asked the same items, so these are drawn in pairs, seeds first and then items within
    each task of a seed (a bootstrap in two stages).

    Args:
        one: the runs of a row.
        other: of another one, with the same seeds.
        draws: of the bootstrap.

    Returns:
        `final` and `forgetting`, each {"points", "low", "high"}: one minus other.
    """
    import numpy as np

    draw = np.random.default_rng(0)
    by_seed = {run["seed"]: run for run in other}
    pairs = [(run, by_seed[run["seed"]]) for run in one if run["seed"] in by_seed]
    sides = [tuple(_accuracies(run) for run in pair) for pair in pairs]
    found: dict[str, list[float]] = {"final": [], "forgetting": []}
    for _ in range(draws):
        chosen = draw.integers(len(sides), size=len(sides))
        sums = {"final": 0.0, "forgetting": 0.0}
        for place in chosen:
            final, lost = _resampled(sides[place], draw)
            sums["final"] += final / len(chosen)
            sums["forgetting"] += lost / len(chosen)
        for name, value in sums.items():
            found[name].append(100 * value)
    exact = {
        "final": mean(_final(one) - _final(other) for one, other in sides),
        "forgetting": mean(_lost(one) - _lost(other) for one, other in sides),
    }
    return {
        name: {
            "points": 100 * exact[name],
            "low": float(np.quantile(values, 0.025)),
            "high": float(np.quantile(values, 0.975)),
        }
        for name, values in found.items()
    }


def _accuracies(run: Kept) -> list[list[Any]]:
    """Return, for each task, which items were right after each step from its own on."""
    import numpy as np

    tasks = len(run["tasks"])
    return [
        [np.array([bit == "1" for bit in step["right"][task]]) for step in run["steps"][task:]]
        for task in range(tasks)
    ]


def _final(tasks: list[list[Any]]) -> float:
    return mean(float(steps[-1].mean()) for steps in tasks)


def _lost(tasks: list[list[Any]]) -> float:
    earlier = [steps for steps in tasks if len(steps) > 1]
    return mean(
        max(float(each.mean()) for each in steps[:-1]) - float(steps[-1].mean())
        for steps in earlier
    )


def _resampled(sides: tuple[Any, ...], draw: Any) -> tuple[float, float]:
    one, other = sides
    places = [draw.integers(len(steps[0]), size=len(steps[0])) for steps in one]
    redrawn = [
        [[each[place] for each in steps] for steps, place in zip(side, places, strict=True)]
        for side in (one, other)
    ]
    return _final(redrawn[0]) - _final(redrawn[1]), _lost(redrawn[0]) - _lost(redrawn[1])
