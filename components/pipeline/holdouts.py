"""Holdouts that people bring: items that every later candidate must keep getting right.

Concept: a file's items become an exam of their task; a second file for the same task opens
the next generation, examined by itself. An item whose text was trained on can't be an exam.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.data.readers import read_batch
from components.data.validation import validate
from components.digest import batch_digest
from components.errors import ConfigError, DataRejected
from components.items import Item, write_items
from components.ledger import views
from components.ledger.book import Lease
from components.pipeline.arrival import check_task, printable
from components.pipeline.settlement import generation
from components.pipeline.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a holdout file.

    `rejected` rows broke the contract, `known` ones were held out before, `trained` ones
    were trained on and are no exam any more.
    """

    exam: str
    items: int
    rejected: int
    known: int
    trained: int


def add(ws: Workspace, lease: Lease, path: Path, task: str, fill: bool = False) -> Added:
    """Take a file in as an exam of `task`; `fill`: let it join the newest one there is.

    Raises:
        ConfigError: there is no such file, or the name of the task is not usable.
        DataRejected: the file can't be read, or no item of it is left.
    """
    if not path.exists():
        raise ConfigError(f"There is no file {path}.", "Check the path and run it again.")
    check_task(task)
    contract = ws.settings.data.model_copy(update={"min_rows": 1, "min_labels": 1})
    reading = read_batch(path, contract, task)
    for row in reading.rows:
        if row.task != task:
            raise DataRejected(
                f"{path}, line {row.place}: the row names task {row.task!r}, not {task!r}.",
                "Add each task's rows from a file of their own, or drop the column.",
            )
    checked = validate(reading, contract, frozenset())
    if checked.refused is not None:
        raise DataRejected(f"{path}: {checked.refused}", "Mend the rows and add it again.")
    near = [item.near for item in checked.accepted]
    held, trained = views.held_among(ws.ledger, near), views.trained_among(ws.ledger, near)
    fresh = [item for item in checked.accepted if item.near not in held | trained]
    known = sum(item.near in held for item in checked.accepted)
    if not fresh:
        raise DataRejected(
            f"{path}: none of its {len(checked.accepted)} items is new ({known} are held out "
            f"already, {len(checked.accepted) - known} were trained on).",
            "Bring items that Ratchet has not seen.",
        )
    exam = _next_exam(ws, task, fill)
    _keep(ws, lease, printable(path.name), exam, task, fresh)
    spent = len(checked.accepted) - known - len(fresh)
    return Added(exam, len(fresh), len(checked.rejected), known, spent)


def _next_exam(ws: Workspace, task: str, fill: bool) -> str:
    """Return the exam that new items join: the next generation, or one that is to be filled up.

    An exam of a few items can never show that nothing was lost, so it is filled up first.
    """
    found = views.exam_sizes(ws.ledger).items()
    sizes = {exam: count for exam, (owner, count) in found if owner == task}
    newest = max(sizes, key=generation, default=None)
    if newest is None or fill or sizes[newest] < ws.settings.holdout.min_items:
        return newest or task
    return f"{task}#{generation(newest) + 1}"


def _keep(ws: Workspace, lease: Lease, name: str, exam: str, task: str, items: list[Item]) -> None:
    """Store the items by DVC, push them, and only then let them count.

    They are stored under their own digest: the same file may bring other items on another day.
    """
    source = batch_digest(item.digest for item in items)
    key = f"holdout:{source}"
    ws.ledger.append("holdout.begun", {"key": key, "name": name, "exam": exam}, lease)
    path = ws.holdouts / f"{source}.jsonl"
    write_items(path, items)
    [file] = ws.store.keep([path.relative_to(ws.root)])
    ws.ledger.append(
        "holdout.done",
        {
            "key": key,
            "name": name,
            "exam": exam,
            "task": task,
            "source": source,
            "stored": {"path": file.path, "md5": file.md5, "size": file.size},
            "items": [(item.digest, item.near) for item in items],
        },
        lease,
    )
