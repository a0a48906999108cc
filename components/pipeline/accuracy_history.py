"""The accuracies of a stream, read off the evidence of the versions in force.

Concept: each version left a document with every answer that it and its parent gave to the exams of
its day. Two versions are compared only on items that both answered: an exam grows, so what its
accuracy was at two moments does not say what was lost between them.

Promise: a version that shares too few items with the newest is left out, never estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.evaluation import metrics
from components.evaluation.metrics import AccuracyMatrix
from components.ledger import views
from components.pipeline.sittings import Paper, Sitting, paper, paper_of, sittings
from components.workspace.root import Workspace

COMPARED = 50
"""How many of the newest versions are compared item by item."""

SHARED = 100
"""A version is compared with the newest on half of its items at least, or on so many."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Accuracies of versions on the same items: a column an exam, a row a version, oldest first.

    `items`: how many items of the exam all versions of its column answered; `of`: how many the
    newest answered. A cell is None where the version shares too few items with the newest.
    """

    exams: tuple[str, ...]
    items: tuple[int, ...]
    of: tuple[int, ...]
    rows: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Story:
    """The lineage and a candidate.

    `shared`: the newest versions on the same items, the candidate last; `steps`: their names.
    `measures`: those of the stream; what compares versions compares them on the same items.
    """

    shared: Shared
    steps: list[str]
    measures: dict[str, float | None]


def story(
    ws: Workspace, last: Mapping[str, Any], lineage: Sequence[tuple[int, str]] | None = None
) -> Story:
    """Return the story so far with a candidate as its last step; `last` is its evidence.

    `lineage` is (version, evidence) of what came before; None means up to today's champion.
    """
    if lineage is None:
        lineage = views.lineage_evidence(ws.ledger)
    papers = [*(paper_of(ws, evidence) for _, evidence in lineage), paper(last)]
    shared = same_items(ws, papers)
    names = [*(f"v{version}" for version, _ in lineage[-COMPARED:]), "candidate"]
    return Story(shared, names, _measures(papers, shared, len(last["labels"])))


def same_items(ws: Workspace, papers: Sequence[Paper]) -> Shared:
    """Compare the versions of these documents on the exams of the last one, oldest first.

    A version answered the exams of its own day as the candidate, and those of the next one's as
    the champion.
    """
    recent = papers[-COMPARED - 1 :]
    sat = [sittings(ws, each) for each in recent]
    own = [each["candidate"] for each in sat]
    later = [each["champion"] for each in sat[1:]]
    exams = tuple(sorted(own[-1]))
    columns = []
    for exam in exams:
        earlier = [
            given.get(exam, Sitting()) | again.get(exam, Sitting())
            for given, again in zip(own, later, strict=False)
        ]
        columns.append(_column(own[-1][exam], earlier))
    rows = zip(*(cells for _, cells in columns), strict=True) if columns else [()] * len(recent)
    return Shared(
        exams,
        tuple(items for items, _ in columns),
        tuple(len(own[-1][exam].asked) for exam in exams),
        tuple(rows),
    )


def _column(newest: Sitting, earlier: Sequence[Sitting]) -> tuple[int, list[float | None]]:
    """Return how many items all share, and every version's accuracy on them, the newest last.

    Looked at from the newest backwards: one that would leave too few in common is left out.
    """
    least = min(SHARED, (len(newest.asked) + 1) // 2)
    common, taken = newest.asked, [newest]
    for each in reversed(earlier):
        if len(common & each.asked) >= least:
            common &= each.asked
            taken.append(each)
        else:
            taken.append(Sitting())
    return len(common), [each.accuracy(common) for each in reversed(taken)]


def _measures(papers: Sequence[Paper], shared: Shared, labels: int) -> dict[str, float | None]:
    """Return the stream's measures, all but forward transfer read off what a page shows.

    Forward transfer is held against chance, 1 / labels: what a head that has learned nothing
    answers is arbitrary. It is of the items of its day: most versions never answered them again.
    """
    table = _matrix(papers)
    left_out = len(papers) - len(shared.rows)
    learned = tuple(_learned(papers, exam) - left_out for exam in shared.exams)
    compared = AccuracyMatrix(shared.exams, learned, shared.rows)
    return {
        "average_accuracy": metrics.average_accuracy(compared),
        "average_incremental_accuracy": metrics.average_incremental_accuracy(compared),
        "forgetting": metrics.forgetting(compared),
        "backward_transfer": metrics.backward_transfer(compared),
        "forward_transfer": metrics.forward_transfer(table, [1 / labels] * len(table.tasks)),
    }


def _matrix(papers: Sequence[Paper]) -> AccuracyMatrix:
    """Return each version's accuracies on the exams as they were when it was examined."""
    exams = sorted({exam for each in papers for exam in each.kept})
    own = [each.accuracies("candidate") for each in papers]
    rows = [tuple(each.get(exam) for exam in exams) for each in own]
    for step, later in enumerate(papers[1:]):
        rows[step] = _filled(rows[step], later.accuracies("champion"), exams)
    learned = tuple(_learned(papers, exam) for exam in exams)
    return AccuracyMatrix(tuple(exams), learned, tuple(rows))


def _learned(papers: Sequence[Paper], exam: str) -> int:
    """Return the step whose batch first held rows of an exam's task; the last where none did."""
    return next((step for step, each in enumerate(papers) if exam in each.brought), len(papers))


def _filled(
    row: tuple[float | None, ...], later: Mapping[str, float | None], exams: Sequence[str]
) -> tuple[float | None, ...]:
    """Fill a version's gaps with what it answered as champion, when the next one was examined."""
    return tuple(
        later.get(exam) if cell is None else cell for cell, exam in zip(row, exams, strict=True)
    )
