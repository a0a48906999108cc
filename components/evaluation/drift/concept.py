"""Whether the champion errs more often on new rows than on rows held out of earlier batches.

Concept: that is what is left of drift in the texts and labels: the same texts now mean
something else, or the labels are wrong. Rows are compared within a task and a label, so other
shares of the labels are no concept drift. Rows that the champion has no earlier answers for
(a new task, a new label) say nothing here.

Sequential: evidence adds up over all batches that came while the champion was in force. The
k-th look spends alpha / (k (k + 1)), which sums to alpha over all looks, however many there
are; the first looks, which is all that most champions see, cost little power. A finding needs
this batch's own excess to be large, so it never speaks of earlier batches alone.
Sources: spending over looks, Lan and DeMets 1983, Biometrika 70, 659-663; the exact test in
strata, Mehta, Patel and Gray 1985, Journal of the American Statistical Association 80, 969.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

from components.evaluation.drift.findings import Measured, Shift
from components.evaluation.drift.samples import (
    MIN_ROWS,
    Answered,
    Chance,
    Compared,
    too_few,
)


@dataclass(frozen=True, slots=True)
class Stratum:
    """Answers to rows of one task and label: (rows, of them wrong), held out and of batches."""

    name: str
    held: tuple[int, int]
    batch: tuple[int, int]
    since: tuple[int, int]

    @property
    def excess(self) -> float:
        """Errors of this batch beyond those that the held-out rows let expect."""
        return self.batch[1] - self.batch[0] * self.held[1] / self.held[0]


def concept(compared: Compared, chance: Chance) -> Measured | str:
    """Measure how much more often the champion errs; effect in points of error."""
    found = _strata(compared)
    held, rows = sum(each.held[0] for each in found), sum(each.batch[0] for each in found)
    if min(held, rows) < MIN_ROWS:
        return too_few(min(held, rows), "answers to held-out rows of earlier batches")
    looks = 1 + len(compared.since)
    p = min(1.0, looks * (looks + 1) * excess_p_value(found))
    effect = 100 * sum(each.excess for each in found) / rows
    wrong = sum(each.batch[1] for each in found)
    classes = [
        Shift(each.name, each.held[1] / each.held[0], each.batch[1] / each.batch[0])
        for each in found
    ]
    most = max(found, key=lambda each: (each.excess, each.name))
    moved = f"{wrong} of {rows:,} wrong, mostly {most.name} ({most.batch[1]} of {most.batch[0]})"
    return Measured(wrong, p, max(0.0, effect), rows, moved, compared.wrong, classes)


def excess_p_value(strata: Sequence[Stratum]) -> float:
    """Return the chance of so many errors on the batches' rows, were all rows alike.

    Exact: given how many errors there are in a stratum, those on the batches' rows are
    hypergeometric, and their sum over the strata is a convolution.
    """
    import numpy as np
    from scipy.stats import hypergeom

    observed, spread = 0, [np.ones(1)]
    for each in strata:
        rows, wrong = each.batch[0] + each.since[0], each.batch[1] + each.since[1]
        observed += wrong
        both = each.held[0] + rows, each.held[1] + wrong
        spread.append(hypergeom.pmf(np.arange(min(rows, both[1]) + 1), both[0], both[1], rows))
    return float(min(1.0, reduce(np.convolve, spread)[observed:].sum()))


def _strata(compared: Compared) -> list[Stratum]:
    """Return the tasks and labels that the batch shares with the held-out rows."""
    tasks = len(compared.answered)
    return [
        Stratum(
            label if tasks == 1 else f"{task}, {label}",
            (held[0], held[1]),
            _sum([compared.answered], task, label),
            _sum(compared.since, task, label),
        )
        for task, labels in sorted(compared.held.items())
        for label, held in sorted(labels.items())
        if held[0] and _sum([compared.answered], task, label)[0]
    ]


def _sum(answered: Iterable[Answered], task: str, label: str) -> tuple[int, int]:
    found = [each.get(task, {}).get(label, (0, 0)) for each in answered]
    return sum(rows for rows, _ in found), sum(wrong for _, wrong in found)
