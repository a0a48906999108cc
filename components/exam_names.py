"""The names of exams and tasks: "tweets" is a task's first exam, "tweets#2" its second.

Concept: people name tasks; an exam is named by its task, and by where its items come from. What
people bring has a generation ("tweets", "tweets#2"), the rows held out of batches are
"tweets#batches", and unlabelled inputs are "tweets#pool". All that reads or makes such a name is
in here. Law: no task may be called like an exam, so a name says whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

MARK = "#"
"""What stands between a task and what tells its exams apart."""

Origin = Literal["brought", "batches", "pool"]
"""Where the items of an exam come from: a labelled file, the batches, an unlabelled file."""


def is_usable_task(task: str) -> bool:
    """Tell whether a task may be called that: printable, not blank, without the mark."""
    return bool(task.strip()) and MARK not in task and task.isprintable()


def batch_exam(task: str) -> str:
    """Return the name of the exam of a task's rows that were held out of batches."""
    return f"{task}{MARK}batches"


def pool_exam(task: str) -> str:
    """Return the name of a task's pool of unlabelled inputs."""
    return f"{task}{MARK}pool"


def origin(exam: str) -> Origin:
    """Return where an exam's items come from, which its name says."""
    end = exam.rpartition(MARK)[2] if MARK in exam else ""
    return "batches" if end == "batches" else "pool" if end == "pool" else "brought"


def task_of(exam: str) -> str:
    """Return the task that an exam examines: all before the mark."""
    return exam.partition(MARK)[0]


def spoken(exam: str) -> str:
    """Return what an exam is called in a sentence for people."""
    words = {"batches": "rows of batches", "pool": "pool"}.get(origin(exam))
    return f"{task_of(exam)} ({words})" if words else exam


def generation(exam: str) -> int:
    """Return an exam's generation: 1 for "tweets", 2 for "tweets#2"."""
    task, _, number = exam.rpartition(MARK)
    return int(number) if task and number.isdigit() else 1


def newest_exam(task: str, exams: Iterable[str]) -> str:
    """Return the newest generation among the exams brought for a task; the first where none is."""
    brought = (exam for exam in exams if origin(exam) == "brought")
    return max(brought, key=generation, default=task)


def next_exam(task: str, newest: str) -> str:
    """Return the name of the generation that follows the newest one."""
    return with_generation(task, generation(newest) + 1)


def with_generation(task: str, number: int) -> str:
    """Return the name of one generation of a task's brought exams, from 1."""
    return task if number == 1 else f"{task}{MARK}{number}"
