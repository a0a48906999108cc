"""Take inputs out of a pool: they may be trained on again, and their texts are deleted.

Concept: a pool holds people's texts, and these must be able to go. First the ledger says that the
inputs count no more; then their bytes are deleted wherever Ratchet stored them; then the ledger
says that too. Digests stay, and so do the answers that people gave: they name no text (law 11).

Promise: killed at any instant, `reconcile` finishes what was begun. What lies out of reach (a
remote that is an address; backups) is named, not forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from components.digest import json_digest
from components.errors import ConfigError
from components.exam_names import pool_exam
from components.ledger import views
from components.ledger.events import HoldoutDone, RemovalBegun, RemovalDone
from components.ledger.ledger import Lease
from components.pipeline.arrival import check_task
from components.workspace.root import Workspace


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed. `left`: copies of its texts that a person has to delete."""

    task: str
    inputs: int
    sources: tuple[str, ...]
    left: tuple[str, ...]


def remove(
    ws: Workspace, lease: Lease, task: str, reason: str, prefix: str | None = None
) -> Removed:
    """Remove the inputs of a task's pool; with `prefix`, of the one file whose source begins so.

    Raises:
        ConfigError: the pool has no inputs, or not one such file.
        Retryable: the bytes could not be deleted now; `reconcile` does it.
    """
    task = check_task(views.renamed_tasks(ws.ledger).get(task, task))
    files = [each for each in views.pool_files(ws.ledger) if each.exam == pool_exam(task)]
    found = [each for each in files if each.source.startswith(prefix or "")]
    if not found or (prefix is not None and len(found) > 1):
        what = "has no inputs" if not files else f"has {len(found)} files with source {prefix}…"
        raise ConfigError(f"The pool of {task} {what}.", "`ratchet pool list` shows what is there.")
    sources, inputs = [each.source for each in found], sum(each.items for each in found)
    intent = RemovalBegun(
        key=f"pool:{json_digest([sources, ws.ledger.head().hash])}",
        task=task,
        exam=pool_exam(task),
        sources=sources,
        items=inputs,
        reason=reason,
    )
    ws.ledger.append(intent, lease)
    return Removed(task, inputs, (*sources,), (*_erase(ws, lease, intent),))


def expire(ws: Workspace, lease: Lease, days: float) -> list[Removed]:
    """Remove the files of every pool that came longer ago than so many days.

    Raises:
        Retryable: the bytes of one could not be deleted now; `reconcile` does it.
    """
    oldest = (ws.clock() - timedelta(days=days)).isoformat()
    came = {event.payload.source: event.time for event in views.told(ws.ledger, HoldoutDone)}
    why = f"kept for {days:g} days (`service.retain_days`)"
    return [
        remove(ws, lease, each.task, why, each.source)
        for each in views.pool_files(ws.ledger)
        if came[each.source] < oldest
    ]


def finish_interrupted(ws: Workspace, lease: Lease) -> list[str]:
    """Delete the texts whose removal a killed process had begun; say what was done."""
    done = []
    for intent in views.open_intents(ws.ledger, RemovalBegun):
        left = "".join(f"; delete {place} yourself" for place in _erase(ws, lease, intent))
        done.append(f"deleted the texts removed from the pool of {intent.task}{left}")
    return done


def _erase(ws: Workspace, lease: Lease, intent: RemovalBegun) -> list[str]:
    from components.operations.reviews import show

    show(ws)  # where their texts were shown in MLflow, they are no more
    stored = {
        event.payload.source: event.payload.stored for event in views.told(ws.ledger, HoldoutDone)
    }
    left = [
        place
        for source in intent.sources
        for place in ws.store.erase(stored[source]["path"], stored[source]["md5"])
    ]
    erased = RemovalDone(key=intent.key, sources=intent.sources, left=left)
    ws.ledger.append(erased, lease)
    return left
