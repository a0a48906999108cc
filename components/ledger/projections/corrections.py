"""What follows from corrections: tasks that are renamed or retired, exams, anchors.

Concept: a name is changed in every table at once, and kept in `renamed_tasks` for what still comes
under it. What is retired keeps its rows: they stay held out, and only the number of the event that
retired them says that they no longer count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.digest import canonical_json
from components.errors import ConfigError
from components.exam_names import batch_exam, generation, origin, pool_exam, with_generation
from components.ledger import schema
from components.ledger.events import (
    AnchorMoved,
    ExamRetired,
    Payload,
    Recorded,
    RelabelDone,
    TaskRenamed,
    TaskRetired,
)
from components.ledger.projections.rule import Rule

Anchors = dict[str, int]
V = TypeVar("V")


def task_now(connection: Connection, task: str) -> str:
    """Return what a task is called now that once had this name."""
    table = schema.renamed_tasks
    return connection.execute(sa.select(table.c.now).where(table.c.name == task)).scalar() or task


def _renamed(connection: Connection, event: Recorded[TaskRenamed]) -> None:
    old, new = event.payload.old, event.payload.new
    for before, after in _new_names(connection, old, new).items():
        _rename_exam(connection, before, after, new, event.seq)
    for table in (schema.splits, schema.answers):
        connection.execute(sa.update(table).where(table.c.task == old).values(task=new))
    _change_anchors(connection, lambda anchors: renamed_anchors(anchors, old, new))
    names = schema.renamed_tasks
    connection.execute(sa.delete(names).where(names.c.name.in_((old, new))))
    connection.execute(sa.update(names).where(names.c.now == old).values(now=new))
    connection.execute(names.insert().values(name=old, now=new))


def renamed_anchors(anchors: Mapping[str, V], old: str, new: str) -> dict[str, V]:
    """Return anchors after a renaming; a task that has one already keeps its own."""
    kept = {task: at for task, at in anchors.items() if task != old}
    return {new: anchors[old], **kept} if old in anchors else kept


def _new_names(connection: Connection, old: str, new: str) -> dict[str, str]:
    """Return the exams of `old` -> what they are called as exams of `new`.

    What people brought becomes the next generations; rows of batches and pools join those of `new`.
    """
    table = schema.holdout.c
    both = sa.select(table.exam, table.task).where(table.task.in_((old, new))).distinct()
    rows = connection.execute(both.order_by(table.exam)).all()
    names = {task: [row.exam for row in rows if row.task == task] for task in (old, new)}
    brought = sorted((each for each in names[old] if origin(each) == "brought"), key=generation)
    taken = max((generation(each) for each in names[new] if origin(each) == "brought"), default=0)
    found = {batch_exam(old): batch_exam(new), pool_exam(old): pool_exam(new)}
    return found | {each: with_generation(new, taken + n) for n, each in enumerate(brought, 1)}


def _rename_exam(connection: Connection, before: str, after: str, task: str, seq: int) -> None:
    """Let the items of one exam join another. Law: the use of the larger one counts on.

    So a stray exam of a few items neither wears a large one out nor gives it a fresh start. What
    was spent for good stays spent.
    """
    held, use = schema.holdout, schema.exam_use
    moves, stays = (_size(connection, exam) for exam in (before, after))
    loses = after if moves > stays else before
    lost = sa.and_(use.c.exam == loses, use.c.retired == 0)
    connection.execute(sa.update(use).where(lost).values(retired=seq))
    both = sa.select(held.c.item).where(held.c.exam == after)
    double = sa.and_(held.c.exam == before, held.c.item.in_(both))
    connection.execute(sa.delete(held).where(double))
    connection.execute(sa.update(use).where(use.c.exam == before).values(exam=after))
    connection.execute(sa.update(held).where(held.c.exam == before).values(exam=after, task=task))


def _size(connection: Connection, exam: str) -> int:
    table = schema.holdout.c
    live = sa.select(sa.func.count()).where(table.exam == exam, table.retired == 0)
    return int(connection.execute(live).scalar_one())


def _task_retired(connection: Connection, event: Recorded[TaskRetired]) -> None:
    task, table = event.payload.task, schema.holdout.c
    exams = sa.select(table.exam).where(table.task == task, table.retired == 0).distinct()
    for exam in connection.execute(exams.order_by(table.exam)).scalars().all():
        _retire(connection, exam, event.seq)
    _change_anchors(
        connection, lambda anchors: {each: at for each, at in anchors.items() if each != task}
    )


def _exam_retired(connection: Connection, event: Recorded[ExamRetired]) -> None:
    _retire(connection, event.payload.exam, event.seq)


def _retire(connection: Connection, exam: str, seq: int) -> None:
    for table in (schema.holdout, schema.exam_use):
        live = sa.and_(table.c.exam == exam, table.c.retired == 0)
        connection.execute(sa.update(table).where(live).values(retired=seq))


def _anchor_moved(connection: Connection, event: Recorded[AnchorMoved]) -> None:
    """Move a task's anchor in every version since the new one that has learned the task.

    A rollback to one of these versions keeps the move.
    """
    said, table = event.payload, schema.versions

    def moved(anchors: Anchors) -> Anchors:
        return anchors | {said.task: said.to} if said.task in anchors else anchors

    _change_anchors(connection, moved, table.c.version >= said.to)


def _change_anchors(
    connection: Connection,
    change: Callable[[Anchors], Anchors],
    where: sa.ColumnElement[bool] | None = None,
) -> None:
    table = schema.versions
    rows = sa.select(table.c.version, table.c.anchors)
    for row in connection.execute(rows if where is None else rows.where(where)).all():
        before = json.loads(row.anchors)
        if (after := change(before)) != before:
            connection.execute(
                sa.update(table)
                .where(table.c.version == row.version)
                .values(anchors=canonical_json(after))
            )


def _relabelled(connection: Connection, event: Recorded[RelabelDone]) -> None:
    """Put corrected items in the places of the old ones, and keep what became of which.

    A batch that is split again brings the old label again: its item is corrected as it joins.
    """
    said, held, table = event.payload, schema.holdout, schema.relabelled
    for old, new in said.replaces.items():
        place = sa.and_(held.c.exam == said.exam, held.c.item == old)
        found = connection.execute(
            sa.update(held).where(place).values(item=new, source=said.source)
        )
        if found.rowcount != 1:
            raise ConfigError(
                f"Item {old[:12]} is not in the exam {said.exam} any more.",
                "Run the same command again.",
            )
        connection.execute(sa.delete(table).where(table.c.item.in_((old, new))))
        became = {"now": new, "source": said.source}
        connection.execute(sa.update(table).where(table.c.now == old).values(became))
        connection.execute(table.insert().values(item=old, **became))


RULES: dict[type[Payload], Rule] = {
    TaskRenamed: _renamed,
    TaskRetired: _task_retired,
    ExamRetired: _exam_retired,
    RelabelDone: _relabelled,
    AnchorMoved: _anchor_moved,
}
