"""What a stream of updates did to every task: the standard measures of continual learning.

Concept: one matrix of accuracies, a row per step of the stream, a column per task. All
measures are read off it.

Promise: a cell that was not examined is None and is left out, never taken for zero; a
measure with nothing to average is None.
Source of the formulas: Lopez-Paz and Ranzato 2017 (GEM), Chaudhry et al. 2018 (Riemannian
walk), as implemented in Renate 0.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Cell = float | None


@dataclass(frozen=True, slots=True)
class AccuracyMatrix:
    """Accuracies over a stream: `rows[t][i]` is a(t, i), task i after step t, in [0, 1].

    Args:
        tasks: task names, one per column.
        learned_at: per task, the step (row number) at which it was first trained on; below zero
            where that was before the first row.
        rows: one per step, oldest first; None where it was not examined.

    Raises:
        ValueError: shapes do not fit, or an accuracy is outside [0, 1].
    """

    tasks: tuple[str, ...]
    learned_at: tuple[int, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.rows} | {len(self.learned_at)}
        if widths != {len(self.tasks)}:
            raise ValueError(f"{len(self.tasks)} tasks, but rows or learned_at hold {widths}")
        cells = [cell for row in self.rows for cell in row if cell is not None]
        if not all(0 <= cell <= 1 for cell in cells):
            raise ValueError("an accuracy is outside [0, 1]")

    @property
    def last(self) -> int:
        """Number of the last row, T."""
        return len(self.rows) - 1

    def at(self, step: int, task: int) -> Cell:
        """Return a(step, task), or None where there is no such step."""
        return self.rows[step][task] if 0 <= step < len(self.rows) else None


def average_accuracy(matrix: AccuracyMatrix, step: int | None = None) -> Cell:
    """Return AA_t, the mean of a(t, i) over the tasks learned by step t (the last by default)."""
    row = matrix.last if step is None else step
    seen = (i for i, learned in enumerate(matrix.learned_at) if learned <= row)
    return _mean(matrix.at(row, i) for i in seen)


def average_incremental_accuracy(matrix: AccuracyMatrix) -> Cell:
    """Return the mean of AA_t over all steps t."""
    return _mean(average_accuracy(matrix, step) for step in range(len(matrix.rows)))


def forgetting(matrix: AccuracyMatrix) -> Cell:
    """Return F_T, the mean over earlier tasks of max over k < T of a(k, i), minus a(T, i)."""
    return _mean(_lost(matrix, i) for i in _earlier(matrix))


def backward_transfer(matrix: AccuracyMatrix) -> Cell:
    """Return BWT, the mean over earlier tasks of a(T, i) - a(i, i)."""
    return _mean(
        _difference(matrix.at(matrix.last, i), matrix.at(matrix.learned_at[i], i))
        for i in _earlier(matrix)
    )


def forward_transfer(matrix: AccuracyMatrix, untrained: Sequence[Cell]) -> Cell:
    """Return FWT, the mean over later tasks of a(i - 1, i) - b(i).

    Args:
        matrix: the accuracies.
        untrained: per task, b(i): its accuracy before anything was learned.
    """
    later = (i for i, learned in enumerate(matrix.learned_at) if learned > 0)
    return _mean(_difference(matrix.at(matrix.learned_at[i] - 1, i), untrained[i]) for i in later)


def _earlier(matrix: AccuracyMatrix) -> list[int]:
    """Return the tasks learned before the last step."""
    return [i for i, learned in enumerate(matrix.learned_at) if learned < matrix.last]


def _lost(matrix: AccuracyMatrix, task: int) -> Cell:
    past = [cell for row in matrix.rows[:-1] if (cell := row[task]) is not None]
    return _difference(max(past), matrix.at(matrix.last, task)) if past else None


def _difference(left: Cell, right: Cell) -> Cell:
    return None if left is None or right is None else left - right


def _mean(cells: Iterable[Cell]) -> Cell:
    values = [cell for cell in cells if cell is not None]
    return sum(values) / len(values) if values else None


def intransigence(matrix: AccuracyMatrix, reference: AccuracyMatrix) -> Cell:
    """Return I, the mean over tasks of a*(i, i) - a(i, i), the reference being joint training.

    Source: Chaudhry et al. 2018, Riemannian Walk, section 3.2.
    """
    return _mean(
        _difference(reference.at(learned, i), matrix.at(learned, i))
        for i, learned in enumerate(matrix.learned_at)
    )


def negative_flips(before: Sequence[bool], after: Sequence[bool]) -> Cell:
    """Return the share of items that were answered correctly before and are not after.

    Source: Yan et al. 2021, Positive-Congruent Training, equation 2.
    """
    pairs = list(zip(before, after, strict=True))
    return _mean(float(was and not now) for was, now in pairs)
