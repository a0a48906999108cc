"""What people bring to examine with: labelled items as exams, unlabelled inputs as pools.

Concept: a file's items become an exam of their task; a second file for the same task opens
the next generation, examined by itself. Unlabelled inputs all join their task's one pool. What was
trained on can't be an exam; what is held out is never trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any

from components.data.contract import COPY
from components.data.plain_checks import hold_plainly
from components.data.readers import Reading, read_batch
from components.data.validation import validate
from components.errors import ConfigError, Corrupted, DataRejected
from components.exam_names import newest_exam, next_exam, origin, pool_exam
from components.files import PART_SUFFIX
from components.items import UNLABELLED, Item, make_item, read_items, write_items
from components.ledger import views
from components.ledger.events import HoldoutAbandoned, HoldoutBegun, HoldoutDone
from components.ledger.ledger import Lease
from components.pipeline.arrival import check_task, printable
from components.pipeline.new_tasks import with_tasks_now
from components.pipeline.staging import stage
from components.settings import DataSettings
from components.workspace.root import Workspace
from components.workspace.stored_files import store_files


@dataclass(frozen=True, slots=True)
class Added:
    """The result of adding a holdout file.

    `rejected` rows broke the contract, `known` ones were held out before, `trained` ones
    were trained on and are no exam any more. `copies`: those rejected only because another row
    of the file says the same.
    """

    exam: str
    items: int
    rejected: int
    known: int
    trained: int
    copies: int = 0

    @property
    def left_out(self) -> str:
        """How many rows of the file are no new items, by why; empty where all are."""
        counts = {
            "broken": self.rejected - self.copies,
            "twice in the file": self.copies,
            "known": self.known,
            "trained on": self.trained,
        }
        return ", ".join(f"{count} {why}" for why, count in counts.items() if count)


class NothingNew(DataRejected):
    """A file without a single new item; `found` says what its rows are."""

    def __init__(self, path: Path, found: Added) -> None:
        self.found = found
        super().__init__(
            f"{path}: none of its items is new (held out already: {found.known}, trained on: "
            f"{found.trained}).",
            "Add items that Ratchet has not seen.",
        )


SAME_LABEL = "-"
"""What the contract is shown as the label of an input that has none."""


def add(ws: Workspace, lease: Lease, path: Path, task: str, fill: bool = False) -> Added:
    """Take a file in as an exam of `task`; `fill`: let it join the newest one there is.

    Raises:
        ConfigError: there is no such file, or the name of the task is not usable.
        DataRejected: the file can't be read, or no item of it is left.
        Retryable: the file is still being written.
    """
    task = _task_now(ws, task)
    contract = ws.settings.data.model_copy(update={"min_rows": 1, "min_labels": 1})
    reading = read_copy(ws, path, contract, task)
    return _take(ws, lease, path, task, reading, contract, _next_exam(ws, task, fill))


def add_pool(ws: Workspace, lease: Lease, path: Path, task: str, copy: Path | None = None) -> Added:
    """Take a file of unlabelled inputs into the pool of `task`; a label column is not looked at.

    `copy`: its bytes, where they were copied already.

    Raises:
        ConfigError, DataRejected, Retryable: as `add`.
    """
    task = _task_now(ws, task)
    update = {"min_rows": 1, "min_labels": 1, "labels": "open"}
    contract = ws.settings.data.model_copy(update=update)
    text_alone = contract.model_copy(update={"label_column": contract.text_column})
    if copy is None:
        reading = read_copy(ws, path, text_alone, task)
    else:
        reading = read_batch(copy, text_alone, task, str(path), ws.identity)
    rows = tuple(replace(row, label=SAME_LABEL) for row in reading.rows)
    return _take(ws, lease, path, task, replace(reading, rows=rows), contract, pool_exam(task))


def _take(
    ws: Workspace,
    lease: Lease,
    path: Path,
    task: str,
    reading: Reading,
    contract: DataSettings,
    exam: str,
) -> Added:
    """Hold out what is new of a file that was read, for one exam or pool."""
    for row in reading.rows:
        if row.task != task:
            raise DataRejected(
                f"{path}, line {row.place}: the row has task {row.task!r}, not {task!r}.",
                "Add each task's rows from a separate file, or remove the column.",
            )
    checked = validate(reading, contract, frozenset(), hold_plainly)
    if checked.refused is not None:
        raise DataRejected(f"{path}: {checked.refused}", "Correct the rows and add the file again.")
    near = [item.near for item in checked.accepted]
    held, trained = views.held_among(ws.ledger, near), views.trained_among(ws.ledger, near)
    fresh = [item for item in checked.accepted if item.near not in held | trained]
    known = sum(item.near in held for item in checked.accepted)
    spent = len(checked.accepted) - known - len(fresh)
    copies = sum(row.reasons[0].startswith(COPY) for row in checked.rejected)
    added = Added(exam, len(fresh), len(checked.rejected), known, spent, copies)
    if not fresh:
        raise NothingNew(path, added)
    if origin(exam) == "pool":
        fresh = [make_item(each.content, UNLABELLED, task, identity=ws.identity) for each in fresh]
    _keep(ws, lease, printable(path.name), exam, task, fresh)
    return added


def _next_exam(ws: Workspace, task: str, fill: bool) -> str:
    """Return the exam that new items join: the next generation, or one that is to be filled up.

    An exam of a few items can never show that nothing was lost, so it is filled up first. One that
    was retired keeps its name, and is not filled up.
    """
    own = [each for each in views.exam_records(ws.ledger) if each.task == task]
    sizes = {each.exam: each.items for each in own if not each.retired}
    newest = newest_exam(task, (each.exam for each in own))
    if newest not in {each.exam for each in own}:
        return newest
    small = sizes.get(newest, 0) < ws.settings.holdout.min_items
    return newest if newest in sizes and (fill or small) else next_exam(task, newest)


def _task_now(ws: Workspace, task: str) -> str:
    """Return the task that people mean by a name: it may have another one now."""
    names, named = views.renamed_tasks(ws.ledger), check_task(task)
    return check_task(names.get(named, named), ws.settings.data.tasks)


def read_copy(ws: Workspace, path: Path, contract: DataSettings, task: str) -> Reading:
    """Read a copy that the file matched before and after it was made; tasks as they are called now.

    Raises:
        ConfigError: there is no such file.
        DataRejected: it can't be read.
        Retryable: it is still being written.
    """
    if not path.exists():
        raise ConfigError(f"There is no file {path}.", "Check the path and run this again.")
    with TemporaryDirectory(PART_SUFFIX, "holdout-", ws.mlruns) as folder:
        staged = stage(path.resolve(), Path(folder), contract.max_file_megabytes)
        reading = read_batch(staged.path, contract, task, str(path), ws.identity)
    return with_tasks_now(ws, reading)[0]


def _keep(ws: Workspace, lease: Lease, name: str, exam: str, task: str, items: list[Item]) -> None:
    """Store the items by DVC, push them, and only then let them count.

    They are stored under their own digest: the same file may bring other items on another day.
    """
    source = ws.identity.batch(item.digest for item in items)
    intent = HoldoutBegun(key=f"holdout:{source}", name=name, exam=exam, task=task)
    ws.ledger.append(intent, lease)
    write_items(items_path(ws, source), items)
    _finish(ws, lease, intent, items)


def stored(ws: Workspace, items: Sequence[Item]) -> dict[str, Any]:
    """Store the written items by DVC and push them; return what an event says of them."""
    source = ws.identity.batch(item.digest for item in items)
    [mark] = store_files(ws, [items_path(ws, source)])
    named = [(item.digest, item.near) for item in items]
    return {"source": source, "items": named, "stored": mark}


def _finish(ws: Workspace, lease: Lease, intent: HoldoutBegun, items: list[Item]) -> None:
    done = HoldoutDone(
        key=intent.key,
        name=intent.name,
        exam=intent.exam,
        task=intent.task or items[0].task,
        **stored(ws, items),
        seed=token_hex(16) if origin(intent.exam) == "pool" else None,
    )
    ws.ledger.append(done, lease)


def close_interrupted(ws: Workspace, lease: Lease) -> list[str]:
    """Finish an exam that a killed process had begun to add, or close it; say what was done.

    It is finished where its items were written whole and none of them was held out or trained
    on since; else it is closed, and the file can be brought again.
    """
    done = []
    for intent in views.open_intents(ws.ledger, HoldoutBegun):
        items = _written(ws, intent.key.removeprefix("holdout:"))
        if items:
            _finish(ws, lease, intent, items)
            held = "1 item" if len(items) == 1 else f"{len(items)} items"
            done.append(f"held out {held} for {intent.exam}, started before a crash")
        else:
            reason = "interrupted before its items were written"
            closed = HoldoutAbandoned(key=intent.key, exam=intent.exam, reason=reason)
            ws.ledger.append(closed, lease)
            done.append(f"cancelled the exam {intent.exam} of {intent.name}: add the file again")
    return done


def _written(ws: Workspace, source: str) -> list[Item]:
    """Return the items of a holdout file that may still be held out; none where it is not whole."""
    try:
        items = read_items(items_path(ws, source), ws.identity)
    except (FileNotFoundError, Corrupted):
        return []
    near = [item.near for item in items]
    spent = views.held_among(ws.ledger, near) | views.trained_among(ws.ledger, near)
    whole = ws.identity.batch(item.digest for item in items) == source
    return items if whole and not spent else []


def items_path(ws: Workspace, source: str) -> Path:
    """Return where the items of a brought file are stored, named by the digest of all of them."""
    return ws.holdouts / f"{source}.jsonl"
