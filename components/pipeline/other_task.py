"""A file that was seen before under another task: which one its batch has, and how to correct that.

Concept: the same rows are one batch, so a file that is sent again for its right task is known. That
must not be silent, and how the task is put right depends on what became of the batch.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from components.digest import task_name
from components.ledger import views
from components.workspace.root import Workspace


@dataclass(frozen=True, slots=True)
class OtherTask:
    """The tasks that a batch has now, what that means in a sentence, and what to type next."""

    tasks: tuple[str, ...]
    sentence: str
    next: str


def other_task(ws: Workspace, known: views.Arrival, asked: str) -> OtherTask | None:
    """Return what to do about a batch that is known under another task than `asked`, if it is."""
    names = views.renamed_tasks(ws.ledger)
    wanted, given = (names.get(task, task) for task in (task_name(asked), known.task))
    tasks = tuple(sorted(views.batch_tasks(ws.ledger, known.batch) or {given}))
    if wanted in tasks:
        return None
    has = " and ".join(repr(task) for task in tasks)
    plural = "s" if len(tasks) > 1 else ""
    return OtherTask(
        tasks,
        f"its rows have the task{plural} {has}, not {wanted!r}: it was not run again",
        _correction(ws, known, tasks, wanted),
    )


def _correction(ws: Workspace, known: views.Arrival, tasks: tuple[str, ...], wanted: str) -> str:
    if known.status != "promoted" or len(tasks) > 1:
        return shlex.join(["ratchet", "quarantine", "release", known.batch[:12], "--task", wanted])
    return correct_task(ws, tasks[0], wanted)


def correct_task(ws: Workspace, task: str, wanted: str) -> str:
    """Return the command that gives all that a task has to another one."""
    live = {each.task for each in views.task_records(ws.ledger) if not each.retired}
    verb = "merge" if wanted in live else "rename"
    return shlex.join(["ratchet", "task", verb, task, wanted, "--reason", "wrong task"])
