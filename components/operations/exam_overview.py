"""All exams and pools with their past, and what each of them decides now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.gate.alpha_spending import count
from components.gate.planning import Sitting
from components.gate.sources import choose, least_items
from components.ledger import views
from components.pipeline.examination import rules
from components.workspace.root import Workspace

Decides = Literal["every batch", "own batches", "nothing", "retired"]


@dataclass(frozen=True, slots=True)
class Listed:
    """An exam; `used`: how many of its items a candidate sits now; `decides`: on which batches.

    `own batches`: those with rows of its task, because no exam of the task is large enough to
    pass at all; `nothing`: another exam of the task decides, or no version has learned the task.
    """

    record: views.ExamRecord
    used: int
    decides: Decides


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
    return [_listed(each, limit, chosen.get(each.exam, "nothing")) for each in records]


def _listed(record: views.ExamRecord, limit: int, on: Decides) -> Listed:
    if record.retired:
        return Listed(record, 0, "retired")
    return Listed(record, min(record.items, limit), on)
