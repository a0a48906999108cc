"""Tasks that are new to a root, or have another name now: highlighted, for they may surprise.

Concept: a task is known once it has an exam or an anchor. Other tasks in a batch are recorded
when the batch is validated, and printed as a sentence when it runs. Rows that come under an
earlier name of a task are that task's: a schedule may go on sending it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from components.data.readers import Reading
from components.items import Item
from components.ledger import views
from components.ledger.events import BatchValidated
from components.workspace.root import Workspace

FAR_MORE = 10
"""A task of a batch may be a slip of another one that has so many times its rows."""


@dataclass(frozen=True, slots=True)
class NewTasks:
    """New tasks of one batch: task -> accepted rows, of `rows` in all.

    `resembles`: task -> the task that it is spelt like, or None. Where the root had no task
    before, nothing is surprising, and only those that are spelt like another stand there.
    `renamed`: earlier name of a task that rows came under -> what it is called now.
    """

    tasks: Mapping[str, int] = field(default_factory=dict)
    resembles: Mapping[str, str | None] = field(default_factory=dict)
    rows: int = 0
    renamed: Mapping[str, str] = field(default_factory=dict)


def with_tasks_now(ws: Workspace, reading: Reading) -> tuple[Reading, dict[str, str]]:
    """Give rows that name a task by an earlier name the one of today; return those names too."""
    names = views.renamed_tasks(ws.ledger)
    if names.keys().isdisjoint(row.task for row in reading.rows):
        return reading, {}
    rows = tuple(
        replace(row, task=names[row.task]) if row.task in names else row for row in reading.rows
    )
    found = sorted({row.task for row in reading.rows} & names.keys())
    return replace(reading, rows=rows), {name: names[name] for name in found}


def find_new_tasks(ws: Workspace, accepted: Iterable[Item]) -> dict[str, Any]:
    """Return what the event of a validation says of tasks that are new to the root."""
    counts = Counter(item.task for item in accepted)
    known = views.known_tasks(ws.ledger) | views.exam_tasks(ws.ledger)
    new = {task: counts[task] for task in sorted(set(counts) - known)}
    alike = {task: _resembled(task, known, counts) for task in new}
    loud = {task: like for task, like in alike.items() if known or like}
    return {"new_tasks": new, "resembles": loud}


def _resembled(task: str, known: Set[str], counts: Mapping[str, int]) -> str | None:
    """Return the task that this one is spelt like: a known one, or far more rows' own."""
    far_more = {other for other, rows in counts.items() if rows >= FAR_MORE * counts[task]}
    return next(iter(get_close_matches(task, sorted(known | far_more), 1)), None)


def recorded_new_tasks(ws: Workspace, batch: str) -> NewTasks:
    """Return the new tasks of a batch as they were when it was validated last."""
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # whoever asks has its digest from the inbox
    found = views.newest_of_batch(ws.ledger, BatchValidated, arrival)
    if found is None:
        return NewTasks()
    since = views.renamed_tasks(ws.ledger)  # what has another name now is no new task any more
    new = {task: rows for task, rows in found.new_tasks.items() if task not in since}
    loud = {task: like for task, like in found.resembles.items() if task not in since}
    return NewTasks(new, loud, found.accepted, found.renamed or {})


def sentences(new: dict[str, Any]) -> list[tuple[bool, str]]:
    """Return (whether it is loud, sentence) for each new or renamed task of an outcome."""
    opened = [
        (task in new["resembles"], _sentence(task, count, new))
        for task, count in new["tasks"].items()
    ]
    return opened + [
        (False, f"task {old!r} is called {now!r} now: its rows are rows of {now!r}.")
        for old, now in new["renamed"].items()
    ]


def _sentence(task: str, count: int, new: dict[str, Any]) -> str:
    opened = f"new task {task!r} ({count} of {new['rows']} rows) starts a new exam"
    if task not in new["resembles"]:
        return f"{opened}."
    like = new["resembles"][task]
    slip = f"if it is a misspelling of {like!r}" if like else "if it is a typo"
    return f"{opened}; {slip}, list the allowed tasks in `data.tasks` (params.yaml)."
