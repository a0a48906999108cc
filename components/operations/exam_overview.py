"""All exams and pools with their past, and what each of them decides now."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from components.exam_names import task_of
from components.gate.alpha_spending import count
from components.gate.paired_statistics import smallest_passing
from components.gate.sources import decides
from components.ledger import views
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


@dataclass(frozen=True, slots=True)
class _Sat:
    """An exam as the gate would see it with a batch of its task."""

    exam: str
    size: int
    charged: float
    in_batch: bool = True


def overview(ws: Workspace) -> list[Listed]:
    """Return every exam and pool, retired ones too, by name."""
    limit, gate = ws.settings.holdout.max_items, ws.settings.gate
    records, known = views.exam_records(ws.ledger), views.known_tasks(ws.ledger)
    spent = Counter[str]()
    for exam, use in views.exam_use(ws.ledger).items():
        spent[task_of(exam)] += use.spent
    least = smallest_passing(gate.margin_points / 100, gate.alpha)
    chosen: dict[str, Decides] = {}
    for task in known:
        own = [
            _Sat(
                each.exam,
                min(each.items, limit),
                count(spent[task], [1.0] * each.turned_away),
            )
            for each in records
            if each.task == task and not each.retired
        ]
        found = decides(own, least) if own else None
        if found is not None:
            chosen[found.exam] = "every batch" if found.size >= least else "own batches"
    return [_listed(each, limit, chosen.get(each.exam, "nothing")) for each in records]


def _listed(record: views.ExamRecord, limit: int, on: Decides) -> Listed:
    if record.retired:
        return Listed(record, 0, "retired")
    return Listed(record, min(record.items, limit), on)
