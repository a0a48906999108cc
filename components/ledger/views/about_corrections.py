"""Questions about what people corrected: tasks and their names, exams and their past, anchors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from components.exam_names import Origin, origin
from components.ledger import schema
from components.ledger.events import AnchorMoved, TaskRenamed, TaskRetired
from components.ledger.ledger import Ledger
from components.ledger.projections import LINEAGE
from components.ledger.projections.corrections import renamed_anchors
from components.ledger.views.about_batches import Arrival
from components.ledger.views.about_events import told
from components.ledger.views.about_versions import champion


@dataclass(frozen=True, slots=True)
class ExamRecord:
    """An exam as it is held out, retired ones too.

    `unconfirmed`: items of batches that are held. `decisions`, `turned_away`: how many candidates
    it helped to decide on, and how many of them it did not let pass. `retired`: the number of the
    event that retired it; 0 while it counts.
    """

    exam: str
    origin: Origin
    task: str
    items: int
    unconfirmed: int
    decisions: int
    turned_away: int
    retired: int


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task of this root.

    `anchor`: the version that it is held against; None where no version in force has learned it.
    `trained`: rows of it that the champion's lineage was trained on. `exams`: exam -> items.
    `earlier`: names that it had before. `retired`: whether a person retired it.
    """

    task: str
    anchor: int | None
    trained: int
    exams: Mapping[str, int]
    earlier: tuple[str, ...]
    retired: bool


def exam_records(ledger: Ledger) -> list[ExamRecord]:
    """Return every exam and pool by name; of one name, the retired ones first."""
    held, use = schema.holdout.c, schema.exam_use.c
    uses = {
        (row.exam, row.retired): (row.decisions, row.turned_away)
        for row in ledger.query(
            sa.select(
                use.exam,
                use.retired,
                sa.func.count().label("decisions"),
                sa.func.sum(use.turned_away).label("turned_away"),
            ).group_by(use.exam, use.retired)
        )
    }
    rows = ledger.query(
        sa.select(
            held.exam,
            held.retired,
            sa.func.min(held.task).label("task"),
            sa.func.count().label("items"),
            sa.func.sum(1 - held.confirmed).label("unconfirmed"),
        ).group_by(held.exam, held.retired)
    )
    records = [
        ExamRecord(
            row.exam,
            origin(row.exam),
            row.task,
            row.items,
            row.unconfirmed,
            *uses.get((row.exam, row.retired), (0, 0)),
            row.retired,
        )
        for row in rows
    ]
    return sorted(records, key=lambda each: (each.exam, not each.retired, each.retired))


def task_records(ledger: Ledger) -> list[TaskRecord]:
    """Return every task that was ever learned, held out or examined, by name."""
    found, names = champion(ledger), renamed_tasks(ledger)
    anchors = found.anchors if found else {}
    exams: dict[str, dict[str, int]] = {}
    for each in exam_records(ledger):
        own = exams.setdefault(each.task, {})
        if not each.retired:
            own[each.exam] = each.items
    trained = _trained_rows(ledger)
    retired = {names.get(each, each) for each in _retired(ledger)}
    tasks = anchors.keys() | exams.keys() | trained.keys() | retired
    return [
        TaskRecord(
            task,
            anchors.get(task),
            trained.get(task, 0),
            exams.get(task, {}),
            tuple(sorted(old for old, now in names.items() if now == task)),
            task in retired and task not in anchors and not exams.get(task),
        )
        for task in sorted(tasks)
    ]


def _trained_rows(ledger: Ledger) -> dict[str, int]:
    """Return task -> rows of its that the champion's lineage was trained on.

    A task whose batches were never promoted has 0 of them.
    """
    splits, table = schema.splits, schema.versions
    learned = sa.and_(splits.c.side == "train", table.c.status.in_(LINEAGE))
    statement = (
        sa.select(splits.c.task, sa.func.sum(sa.case((learned, 1), else_=0)))
        .join(table, table.c.batch == splits.c.batch)
        .group_by(splits.c.task)
    )
    return {task: int(count) for task, count in ledger.query(statement)}


def _retired(ledger: Ledger) -> set[str]:
    return {each.payload.task for each in told(ledger, TaskRetired)}


def renamed_tasks(ledger: Ledger) -> dict[str, str]:
    """Return every earlier name of a task -> what it is called now."""
    return {row.name: row.now for row in ledger.query(sa.select(schema.renamed_tasks))}


def batch_tasks(ledger: Ledger, batch: str) -> frozenset[str]:
    """Return the tasks that the rows of a batch have now; none before it was split."""
    table = schema.splits.c
    rows = ledger.query(sa.select(table.task).where(table.batch == batch).distinct())
    return frozenset(row.task for row in rows)


def tasks_of(ledger: Ledger, arrival: Arrival) -> str:
    """Return the tasks of a batch's rows by the names that they have now, in a line."""
    known = batch_tasks(ledger, arrival.batch)
    return ", ".join(sorted(known)) or renamed_tasks(ledger).get(arrival.task, arrival.task)


def anchor_moves(ledger: Ledger, task: str) -> int:
    """Return how often people moved the anchor of a task: each move starts a new budget of loss."""
    names = renamed_tasks(ledger)
    moves = (each.payload.task for each in told(ledger, AnchorMoved))
    return sum(names.get(moved, moved) == task for moved in moves)


def corrected_anchors(
    ledger: Ledger, anchors: Mapping[str, int | None], brought: frozenset[str], since: int
) -> dict[str, int | None]:
    """Return a proposal's anchors as the corrections since the event `since` have made them.

    `anchors`: task -> version, or None for the candidate; `brought`: the tasks that its batch
    brings, as they were called then. A moved anchor is kept, whatever was proposed. A task that was
    retired has no anchor, unless the batch brings it: then it starts anew with the candidate.
    """
    found, own = dict(anchors), set(brought)
    events = sorted(
        [each for kind in (TaskRenamed, TaskRetired, AnchorMoved) for each in told(ledger, kind)],
        key=lambda each: each.seq,
    )
    for each in events:
        if each.seq <= since:
            continue
        match each.payload:
            case TaskRenamed(old=old, new=new):
                found = renamed_anchors(found, old, new)
                own = {new if task == old else task for task in own}
            case TaskRetired(task=task):
                found = {name: at for name, at in found.items() if name != task}
                found |= {task: None} if task in own else {}
            case AnchorMoved(task=task, to=to) if task in found:
                found[task] = to
    return found
