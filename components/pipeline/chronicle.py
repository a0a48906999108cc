"""The accuracies of a stream, read off the evidence of the versions in force.

Concept: each promoted version left a document with every answer it gave. Their rows, oldest
first, and the candidate's at the end, are the accuracy matrix.
"""

from __future__ import annotations

from typing import Any

from components.evaluation import metrics
from components.evaluation.metrics import AccuracyMatrix
from components.ledger import views
from components.pipeline.workspace import Workspace


def matrix(ws: Workspace, last: dict[str, Any] | None = None) -> tuple[AccuracyMatrix, list[str]]:
    """Return the accuracy matrix over exams and the names of its rows.

    `last` is the evidence of a candidate that is not in force, or None.
    """
    documents = [
        (f"v{version.version}", ws.read_document(version.evidence))
        for version in reversed(views.lineage(ws.ledger))
    ]
    if last is not None:
        documents.append(("candidate", last))
    exams = sorted({exam["exam"] for _, document in documents for exam in document["exams"]})
    rows = [_accuracies(document, exams) for _, document in documents]
    for step, (_, document) in enumerate(documents[1:]):
        rows[step] = _filled(rows[step], document, exams)
    learned = tuple(
        next((i for i, (_, doc) in enumerate(documents) if _brings(doc, exam)), len(rows))
        for exam in exams
    )
    return AccuracyMatrix(tuple(exams), learned, tuple(rows)), [name for name, _ in documents]


def measures(ws: Workspace, last: dict[str, Any]) -> dict[str, float | None]:
    """Return the stream's measures with a candidate as its last step.

    Forward transfer is held against chance, 1 / labels: what a head that has learned nothing
    answers is arbitrary.
    """
    table, _ = matrix(ws, last)
    chance = 1 / len(last["labels"])
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


def _accuracies(document: dict[str, Any], exams: list[str]) -> tuple[float | None, ...]:
    given = {exam["exam"]: accuracy(exam["candidate"]) for exam in document["exams"]}
    return tuple(given.get(exam) for exam in exams)


def _filled(
    row: tuple[float | None, ...], later: dict[str, Any], exams: list[str]
) -> tuple[float | None, ...]:
    """Fill a version's gaps with what it answered as champion, when the next one was examined."""
    given = {exam["exam"]: accuracy(exam["champion"]) for exam in later["exams"]}
    return tuple(
        given.get(exam) if cell is None else cell for cell, exam in zip(row, exams, strict=True)
    )


def _brings(document: dict[str, Any], exam: str) -> bool:
    return any(each["exam"] == exam and each["in_batch"] for each in document["exams"])
