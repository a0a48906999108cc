"""All exams and pools with their past, and what each of them decides now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from components.errors import Corrupted
from components.exam_names import task_of
from components.gate.alpha_spending import count
from components.gate.planning import Sitting
from components.gate.sources import choose, least_items
from components.ledger import views
from components.ledger.events import CandidateExamined
from components.pipeline.examination import rules
from components.workspace.root import Workspace

Decides = Literal["every batch", "own batches", "nothing", "retired"]


@dataclass(frozen=True, slots=True)
class Listed:
    """An exam; `used`: how many of its items a candidate sits now; `decides`: on which batches.

    `own batches`: those with rows of its task, because no exam of the task is large enough to
    pass at all; `nothing`: another exam of the task decides, or no version has learned the task.
    `stopped`: how many candidates were rejected or held for what they got wrong on it.
    """

    record: views.ExamRecord
    used: int
    decides: Decides
    stopped: int


def overview(ws: Workspace) -> list[Listed]:
    """Return every exam and pool, retired ones too, by name."""
    limit, least = ws.settings.holdout.max_items, least_items(rules(ws).at_look(0))
    records, known = views.exam_records(ws.ledger), views.known_tasks(ws.ledger)
    use = views.use_by_exam(ws.ledger)
    sat = [
        Sitting(
            each.exam,
            min(each.items, limit),
            churn=0.0,
            charged=count(use(each.exam).spent, [1.0] * each.turned_away),
        )
        for each in records
        if each.task in known and not each.retired
    ]
    chosen: dict[str, Decides] = {
        found.exam: "every batch" if found.size >= least else "own batches"
        for found in choose(sat, least).values()
    }
    stopped = _stopped(ws)
    return [
        Listed(
            each,
            0 if each.retired else min(each.items, limit),
            "retired" if each.retired else chosen.get(each.exam, "nothing"),
            stopped.get((each.exam, each.retired), 0),
        )
        for each in records
    ]


def _stopped(ws: Workspace) -> dict[tuple[str, int], int]:
    """Return how many candidates an exam did not let pass, by its name and what retired it."""
    now = views.renamed_tasks(ws.ledger)
    by_look = {
        views.Look(each.payload.bundle, each.payload.snapshot): _stopping(
            _verdicts(ws, each.payload.evidence), now
        )
        for each in views.told(ws.ledger, CandidateExamined)
    }
    return {
        (exam, retired): sum(_key(exam, now) in by_look[look] for look in looks)
        for (exam, retired), looks in views.looks_by_exam(ws.ledger).items()
    }


def _stopping(
    verdicts: list[Mapping[str, Any]], now: Mapping[str, str]
) -> frozenset[tuple[str, str]]:
    grave = (each for each in verdicts if each["consequence"] in ("reject", "hold"))
    return frozenset(_key(each["exam"], now) for each in grave if each["exam"])


def _key(exam: str, now: Mapping[str, str]) -> tuple[str, str]:
    """Return what names an exam whatever its task was called."""
    task = task_of(exam)
    return now.get(task, task), exam.removeprefix(task)


def _verdicts(ws: Workspace, evidence: str) -> list[Mapping[str, Any]]:
    """Return the verdicts of a document; damaged evidence has none: `audit verify` names it."""
    try:
        return list(ws.read_document(evidence)["decision"]["verdicts"])
    except Corrupted:
        return []
