"""The names of exams and tasks: "tweets" is a task's first exam, "tweets#2" its second.

Concept: people name tasks; an exam is named by its task and its generation. All that reads or
makes such a name is in here. Law: no task may be called like an exam, so a name says whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable

MARK = "#"
"""What stands between a task and the number of a later generation."""


def is_usable_task(task: str) -> bool:
    """Tell whether a task may be called that: printable, not blank, without the mark."""
    return bool(task.strip()) and MARK not in task and task.isprintable()


def generation(exam: str) -> int:
    """Return an exam's generation: 1 for "tweets", 2 for "tweets#2"."""
    task, _, number = exam.rpartition(MARK)
    return int(number) if task and number.isdigit() else 1


def newest_exam(task: str, exams: Iterable[str]) -> str:
    """Return the newest generation among a task's exams; its first one where there is none."""
    return max(exams, key=generation, default=task)


def next_exam(task: str, newest: str) -> str:
    """Return the name of the generation that follows the newest one."""
    return f"{task}{MARK}{generation(newest) + 1}"
