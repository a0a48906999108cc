"""Tasks that a root did not know before: said loudly, because a slip of the pen opens an exam.

Concept: a task is known once it has an exam or an anchor. What a batch brings beyond is noted
when the batch is validated; whoever runs the batch is told in a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from components.items import Item
from components.ledger import views
from components.pipeline.workspace import Workspace


@dataclass(frozen=True, slots=True)
class NewTasks:
    """New tasks of one batch: task -> accepted rows, of `rows` in all.

    `resembles`: task -> the known task that it is spelt like, or None. Empty where the root
    had no task before, and then nothing is surprising.
    """

    tasks: dict[str, int] = field(default_factory=dict)
    resembles: dict[str, str | None] = field(default_factory=dict)
    rows: int = 0


def find_new_tasks(ws: Workspace, accepted: Iterable[Item]) -> dict[str, Any]:
    """Return what the event of a validation says of tasks that are new to the root."""
    counts = Counter(item.task for item in accepted)
    known = views.known_tasks(ws.ledger) | views.exam_tasks(ws.ledger)
    new = {task: counts[task] for task in sorted(set(counts) - known)}
    alike = {task: next(iter(get_close_matches(task, sorted(known), 1)), None) for task in new}
    return {"new_tasks": new, "resembles": alike if known else {}}


def recorded_new_tasks(ws: Workspace, batch: str) -> NewTasks:
    """Return the new tasks of a batch as they were when it was validated last."""
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # whoever asks has its digest from the inbox
    found = views.last_payload(ws.ledger, "batch.validated", arrival) or {}
    return NewTasks(
        found.get("new_tasks", {}), found.get("resembles", {}), found.get("accepted", 0)
    )


def sentences(new: dict[str, Any]) -> list[tuple[bool, str]]:
    """Return (whether it is loud, sentence) for each new task of an outcome."""
    return [
        (task in new["resembles"], _sentence(task, count, new))
        for task, count in new["tasks"].items()
    ]


def _sentence(task: str, count: int, new: dict[str, Any]) -> str:
    opened = f"new task {task!r} ({count} of {new['rows']} rows) opens an exam of its own"
    if task not in new["resembles"]:
        return f"{opened}."
    like = new["resembles"][task]
    slip = f"if it is a slip of {like!r}" if like else "if it is a slip"
    return f"{opened}; {slip}, name the legal tasks in `data.tasks` (params.yaml)."
