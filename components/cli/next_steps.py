"""The command that follows: chosen by what the root knows, and complete wherever it can be.

Promise: what is printed here can be typed as it stands, FILE apart, and does something new.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.ledger import views

if TYPE_CHECKING:
    from components.data.quarantine import Entry
    from components.data.validation import Rejected
    from components.workspace.root import Workspace


def first_steps(folder: Path | None) -> list[str]:
    """Return what to do in a new root, in order; `folder`: what to change to, if any."""
    into = [f"cd {shlex.quote(str(folder))}"] if folder else []
    steps = [
        *into,
        "edit params.yaml: the base model, and the columns of your files",
        "ratchet holdout add exam.jsonl --task NAME   an exam: labelled rows to judge by",
        "ratchet run batch.jsonl --task NAME          rows to learn, in .jsonl, .csv or .parquet",
    ]
    return ["Next:", *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]


def only_task(ws: Workspace) -> str:
    """Return the name of the only task, quoted for a command, or a placeholder."""
    tasks = {each.task for each in views.task_records(ws.ledger) if not each.retired}
    return shlex.quote(tasks.pop()) if len(tasks) == 1 else "NAME"


def after_exam(ws: Workspace, task: str) -> str:
    """Return what follows once a task has other exam items.

    A batch that is held for want of them is examined again; the champion, if it has learned the
    task; else there is nothing to examine yet.
    """
    for held in views.held_batches(ws.ledger):
        if task in views.batch_tasks(ws.ledger, held.batch):
            return f"next: ratchet quarantine release {held.batch[:12]}"
    if task in views.known_tasks(ws.ledger):
        return "next: ratchet watch"
    return f"next: ratchet run FILE --task {shlex.quote(task)}"


def after_quarantine(ws: Workspace, entry: Entry, rows: Sequence[Rejected]) -> list[str]:
    """Return what may be done about an entry with these rows; to release it may lead here again."""
    arrival = views.arrival(ws.ledger, entry.batch)
    release = f"ratchet quarantine release {entry.batch[:12]}"
    kept = {row.kind for row in views.quarantined(ws.ledger, entry.batch) if row.status == "kept"}
    if entry.kind not in kept:
        return ["It was released: `ratchet status` shows what became of it."]
    from components.pipeline.came_in import came_in

    since = came_in(ws, arrival, entry.kind) if arrival is not None else None
    if since is not None and since.mostly:
        return [f"Nothing is to be done: {since.sentence}, which was promoted."]
    if entry.kind == "batch" and arrival is not None and arrival.status != "refused":
        return [
            f"next: ratchet quarantine export {entry.batch[:12]} rows.csv --answers (its rows, and "
            "what the champion answers)",
            f"if they are right, once the exams or the champion have changed: {release}",
        ]
    task = shlex.quote(arrival.task if arrival is not None else "NAME")
    if arrival is not None and views.arrived(ws.ledger, arrival).refused:
        return [
            f"next: change params.yaml as said above, then `{release}`; or correct your file and "
            f"`ratchet run FILE --task {task}`"
        ]
    export = f"`ratchet quarantine export {entry.batch[:12]} rows.csv`"
    if entry.kind == "rows" and all(map(_is_copy, rows)):
        return ["Nothing is to be done: each is a copy of a row of the same file that was taken."]
    least = ws.settings.data.min_rows
    if entry.kind == "rows" and entry.row_count < least:
        return [
            f"next: {export}, correct them, and add them to the next file of {task}: a batch takes "
            f"{least:,} rows (data.min_rows)"
        ]
    return [
        f"next: {export}, correct them, and `ratchet run rows.csv --task {task}`; or change the "
        f"setting that refuses them, then `{release}`"
    ]


def _is_copy(row: Rejected) -> bool:
    from components.data.contract import COPY

    return bool(row.reasons) and all(each.startswith(COPY) for each in row.reasons)
