"""What is compared: a sample of either side, counts of labels, and the champion's errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MIN_ROWS = 20
"""Fewer rows a side are not examined."""

Counts = Mapping[str, Mapping[str, int]]
"""Task -> label -> rows."""

Answered = Mapping[str, Mapping[str, Sequence[int]]]
"""Task -> label -> (rows answered, of them wrongly)."""


@dataclass(frozen=True, slots=True)
class Side:
    """Rows of one side.

    Args:
        items: their digests; contents, labels: of the same rows, in the same order.
        embeddings: shape (rows, dimensions), from the frozen base.
    """

    items: Sequence[str]
    contents: Sequence[str]
    labels: Sequence[str]
    embeddings: Any

    def sampled(self, size: int) -> Side:
        """Return the rows with the smallest digests, in their order."""
        import numpy as np

        rows = range(len(self.items))
        kept = sorted(rows, key=lambda row: (self.items[row], self.contents[row]))[:size]
        columns = (self.items, self.contents, self.labels)
        items, contents, labels = ([column[row] for row in kept] for column in columns)
        return Side(items, contents, labels, np.asarray(self.embeddings, dtype=np.float64)[kept])


@dataclass(frozen=True, slots=True)
class Compared:
    """A batch, and what it is held against.

    Args:
        earlier: rows that the champion was trained on, of the batch's tasks.
        batch: rows of the batch.
        seen: every row that the champion's lineage was trained on, counted.
        brought: the batch's training rows, counted; rows: all of its rows.
        known: the labels that the champion can answer.
        held: the champion's answers to rows held out of earlier batches.
        answered: its answers to rows of this batch, none of which it was trained on.
        since: its answers to rows of the other batches that came while it was in force.
        wrong: digests of the batch's rows that it answered wrongly.
        modality: what the rows' contents are.
    """

    earlier: Side
    batch: Side
    seen: Counts
    brought: Counts
    known: frozenset[str]
    held: Answered = field(default_factory=dict)
    answered: Answered = field(default_factory=dict)
    since: Sequence[Answered] = ()
    wrong: Sequence[str] = ()
    modality: str = "text"
    rows: int = 0

    def sampled(self, size: int) -> Compared:
        """Return the same with at most `size` rows a side."""
        return replace(self, earlier=self.earlier.sampled(size), batch=self.batch.sampled(size))


@dataclass(frozen=True, slots=True)
class Chance:
    """How often permutations are drawn, and from which seed."""

    rounds: int
    seed: int

    def generator(self, check: int) -> Any:
        """Return a stream of random numbers of a check's own."""
        import numpy as np

        return np.random.default_rng([self.seed, check])


def p_value(statistics: Any) -> float:
    """Return the share of statistics as large as the first, itself included.

    Source: Phipson and Smyth 2010, permutation p-values should never be zero.
    """
    return float((statistics >= statistics[0] - 1e-12).mean())


def too_few(rows: int, what: str = "rows per side") -> str:
    """Return why so few rows are not examined."""
    return f"{rows} {what} are too few: at least {MIN_ROWS} are needed"
