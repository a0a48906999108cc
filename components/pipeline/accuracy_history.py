"""The accuracies of a stream, read off the evidence of the versions in force.

Concept: each promoted version left a document with every answer it gave. Their rows, oldest
first, with the candidate's last, form the accuracy matrix. A document never changes, so each one
is read once per process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.evaluation import metrics
from components.evaluation.metrics import AccuracyMatrix
from components.ledger import views
from components.workspace.root import Workspace

KEPT = 10_000
_TOLD: dict[tuple[Path, str], Told] = {}


@dataclass(frozen=True, slots=True)
class Told:
    """One evidence document: exam -> accuracy, and the exams that its batch added."""

    candidate: Mapping[str, float | None]
    champion: Mapping[str, float | None]
    brought: frozenset[str]


@dataclass(frozen=True, slots=True)
class Story:
    """The lineage and a candidate: the accuracy matrix, the names of its rows, its measures."""

    table: AccuracyMatrix
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
    table = _matrix([*(_told(ws, evidence) for _, evidence in lineage), _read(last)])
    names = [*(f"v{version}" for version, _ in lineage), "candidate"]
    return Story(table, names, _measures(table, len(last["labels"])))


def _matrix(told: list[Told]) -> AccuracyMatrix:
    exams = sorted({exam for each in told for exam in each.candidate})
    rows = [tuple(each.candidate.get(exam) for exam in exams) for each in told]
    for step, later in enumerate(told[1:]):
        rows[step] = _filled(rows[step], later, exams)
    learned = tuple(
        next((step for step, each in enumerate(told) if exam in each.brought), len(rows))
        for exam in exams
    )
    return AccuracyMatrix(tuple(exams), learned, tuple(rows))


def _measures(table: AccuracyMatrix, labels: int) -> dict[str, float | None]:
    """Return the stream's measures.

    Forward transfer is held against chance, 1 / labels: what a head that has learned nothing
    answers is arbitrary.
    """
    chance = 1 / labels
    return {
        "average_accuracy": metrics.average_accuracy(table),
        "average_incremental_accuracy": metrics.average_incremental_accuracy(table),
        "forgetting": metrics.forgetting(table),
        "backward_transfer": metrics.backward_transfer(table),
        "forward_transfer": metrics.forward_transfer(table, [chance] * len(table.tasks)),
    }


def accuracy(bits: str | None) -> float | None:
    """Return the share of right answers in a string of 0 and 1."""
    return bits.count("1") / len(bits) if bits else None


def _told(ws: Workspace, evidence: str) -> Told:
    key = ws.root, evidence
    if key not in _TOLD:
        if len(_TOLD) >= KEPT:
            _TOLD.clear()
        _TOLD[key] = _read(ws.read_document(evidence))
    return _TOLD[key]


def _read(document: Mapping[str, Any]) -> Told:
    exams = document["exams"]
    return Told(
        {exam["exam"]: accuracy(exam["candidate"]) for exam in exams},
        {exam["exam"]: accuracy(exam["champion"]) for exam in exams},
        frozenset(exam["exam"] for exam in exams if exam["in_batch"]),
    )


def _filled(
    row: tuple[float | None, ...], later: Told, exams: list[str]
) -> tuple[float | None, ...]:
    """Fill a version's gaps with what it answered as champion, when the next one was examined."""
    return tuple(
        later.champion.get(exam) if cell is None else cell
        for cell, exam in zip(row, exams, strict=True)
    )
