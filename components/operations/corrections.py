"""Correct afterwards what a task is called, which exams count, and what a task is held against.

Concept: nothing that was recorded is changed. A correction is an event with its reason and its
actor; from then on the tables, and whatever reads items, follow it.

Promise: what is held out stays held out, whatever it is called and whether it still counts (law 4).
"""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import ConfigError
from components.ledger import views
from components.ledger.events import AnchorMoved, ExamRetired, TaskRenamed, TaskRetired
from components.ledger.ledger import Lease
from components.pipeline.arrival import check_task
from components.workspace.root import Workspace


def rename_task(ws: Workspace, lease: Lease, old: str, new: str, reason: str) -> views.TaskRecord:
    """Give a task another name; rows that still come under the old one are its own.

    Raises:
        ConfigError: there is no task `old`, the new name is not usable, or a task has or had it.
    """
    known = _tasks(ws)
    before = _require_task(ws, known, old)
    after = check_task(new, ws.settings.data.tasks)
    taken = views.renamed_tasks(ws.ledger).get(after)
    if after in known and not known[after].retired and after != before.task:
        raise ConfigError(
            f"There is a task {after!r} already.",
            f"To make both one: `ratchet task merge {before.task} {after} --reason TEXT`.",
        )
    if after == before.task or taken not in (None, before.task):
        raise ConfigError(
            f"{after!r} is a name of task {taken or after!r} already.", "Choose another name."
        )
    return _rename(ws, lease, before.task, after, merged=False, reason=reason)


def merge_task(ws: Workspace, lease: Lease, old: str, into: str, reason: str) -> views.TaskRecord:
    """Make a task part of another one: its exams, pool, rows, answers and, if needed, its anchor.

    Raises:
        ConfigError: one of them is no task, or both are the same.
    """
    known = _tasks(ws)
    before, after = _require_task(ws, known, old), _require_task(ws, known, into)
    if before.task == after.task:
        raise ConfigError(
            f"Task {old!r} is task {after.task!r} already.", "`ratchet task list` shows all tasks."
        )
    return _rename(ws, lease, before.task, after.task, merged=True, reason=reason)


def _rename(
    ws: Workspace, lease: Lease, old: str, new: str, merged: bool, reason: str
) -> views.TaskRecord:
    ws.ledger.append(TaskRenamed(old=old, new=new, merged=merged, reason=reason), lease)
    return _tasks(ws)[new]


def retire_task(ws: Workspace, lease: Lease, name: str, reason: str) -> views.TaskRecord:
    """Examine a task no more: its exams are retired, and nothing is held against its anchor.

    Returns the task as it was.

    Raises:
        ConfigError: there is no such task.
    """
    task = _require_task(ws, _tasks(ws), name)
    ws.ledger.append(TaskRetired(task=task.task, reason=reason), lease)
    return task


def _tasks(ws: Workspace) -> dict[str, views.TaskRecord]:
    return {each.task: each for each in views.task_records(ws.ledger)}


def _require_task(ws: Workspace, known: dict[str, views.TaskRecord], name: str) -> views.TaskRecord:
    """Return a task by its name, or by one that it had before."""
    task = check_task(name)
    found = known.get(views.renamed_tasks(ws.ledger).get(task, task))
    if found is None or found.retired:
        names = ", ".join(repr(each.task) for each in known.values() if not each.retired)
        state = "Task {!r} was retired." if found else "There is no task {!r}."
        raise ConfigError(
            state.format(task), f"Use one of {names}." if names else "Run a batch first."
        )
    return found


def retire_exam(ws: Workspace, lease: Lease, exam: str, reason: str) -> views.ExamRecord:
    """Let an exam or a pool never be sat again; return it as it was.

    Raises:
        ConfigError: there is none of this name, or it was retired before.
    """
    found = require_exam(ws, exam)
    ws.ledger.append(ExamRetired(exam=exam, task=found.task, reason=reason), lease)
    return found


def require_exam(ws: Workspace, exam: str) -> views.ExamRecord:
    """Return an exam that counts, by its name.

    Raises:
        ConfigError: there is none of this name, or it was retired.
    """
    named = [each for each in views.exam_records(ws.ledger) if each.exam == exam]
    live = [each for each in named if not each.retired]
    if not live:
        was = "was retired before" if named else "does not exist"
        raise ConfigError(f"The exam {exam!r} {was}.", "`ratchet exam list` shows all exams.")
    return live[0]


@dataclass(frozen=True, slots=True)
class MovedAnchor:
    """An anchor that was moved; `moves`: how often people have moved this task's by now.

    `may_lose_points`: how much accuracy on its exams the task may lose, in all, against `from_`
    before the gate stops it; None where the new anchor is older, and nothing is promised.
    """

    task: str
    from_: int
    to: int
    moves: int
    may_lose_points: float | None


def move_anchor(
    ws: Workspace, lease: Lease, task: str, reason: str, to: int | None = None
) -> MovedAnchor:
    """Hold a task against another version from now on: the champion, or one of its ancestors.

    Each move starts a new budget of loss: what was lost up to the new anchor is accepted. A version
    on probation can't be an anchor yet.

    Raises:
        ConfigError: the task has no anchor, or the version is not in the champion's lineage, has
            not learned the task, or is its anchor already.
    """
    known = _require_task(ws, _tasks(ws), task)
    if known.anchor is None:
        raise ConfigError(
            f"Task {known.task!r} has no anchor: no version in force has learned it.",
            "`ratchet anchor list` shows all anchors.",
        )
    on = views.probation(ws.ledger)
    confirmed = views.lineage(ws.ledger)[0 if on is None else 1 :]
    lineage = {each.version: each for each in confirmed}
    target = max(lineage) if to is None else to
    legal = [number for number, each in sorted(lineage.items()) if known.task in each.anchors]
    if target not in legal or target == known.anchor:
        problem = "is its anchor already" if target == known.anchor else "can't be its anchor"
        numbers = ", ".join(str(each) for each in legal if each != known.anchor)
        raise ConfigError(
            f"Version {target} {problem}: task {known.task!r} is held against one of the versions "
            "in force that have learned it.",
            f"Choose one of {numbers}." if numbers else "There is no other such version.",
        )
    said = AnchorMoved(task=known.task, from_=known.anchor, to=target, reason=reason)
    ws.ledger.append(said, lease)
    margin = ws.settings.gate.anchor_margin_points
    may_lose = 2 * margin if target > known.anchor else None
    moves = views.anchor_moves(ws.ledger, known.task)
    return MovedAnchor(known.task, known.anchor, target, moves, may_lose)
