"""Release quarantined data: it runs again with the current settings, through the whole gate.

Concept: a batch goes back to its old place in the queue; rows, and a batch that is given another
task, come back as a new batch. Neither skips any check.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from components.data.quarantine import (
    ABOUT,
    REBUILD,
    Entry,
    read_entry,
    read_rows,
    write_batch_file,
)
from components.data.readers import Reading, read_batch
from components.data.validation import Rejected
from components.errors import ConfigError, Corrupted
from components.files import PART_SUFFIX
from components.items import read_items
from components.ledger import views
from components.ledger.events import BatchRequeued, QuarantineReleased, VersionSuperseded
from components.ledger.ledger import Lease
from components.pipeline import publication
from components.pipeline.arrival import UNNAMED, arrive, check_task
from components.pipeline.came_in import came_in
from components.pipeline.other_task import correct_task
from components.workspace.batch_files import items_path, raw_path
from components.workspace.root import Workspace

CHANGING = ("queued", "promoted", "superseded")
"""What became of a batch whose task somebody may want to change, apart from held ones."""


@dataclass(frozen=True, slots=True)
class Released:
    """What was released: the batch that is now in the inbox, and how many rows it has."""

    batch: str
    kind: str
    rows: int


def release_any(
    ws: Workspace, lease: Lease, prefix: str, task: str | None = None, force: bool = False
) -> Released:
    """Release the held or quarantined batch whose digest begins with `prefix`.

    With `task`, one that is still queued, or was given another task before, as well. With `force`,
    also what came in with another batch since, which would be learned twice: as it was refused,
    beside the rows that are right.

    Raises:
        ConfigError: there is none, there are several, it was released before, it cannot be given
            another `task`, or most of its rows came in since.
    """
    found = [each for each in views.arrivals(ws.ledger) if each.batch.startswith(prefix)]
    held = [each for each in found if each.status == "held"]
    kept = {each.batch for each in views.quarantined(ws.ledger) if each.status == "kept"}
    if not held and (member := _pooled_member(ws, found, kept)) is not None:
        if not force:
            _require_not_in(ws, member, "batch", task)
        return _release_member(ws, lease, member, task)
    if task is not None and not held:
        held = [each for each in found if each.status in CHANGING and each.batch not in kept]
    if len(held) != 1:
        return release(ws, lease, find_entry(ws, prefix), task, force)
    if held[0].status == "held" and not force:
        _require_not_in(ws, held[0], "batch", task)
    if task is not None:
        return _release_for(ws, lease, held[0], check_task(task, ws.settings.data.tasks))
    release_held(ws, lease, held[0], "queued to be examined again")
    return Released(held[0].batch, "held", 0)


def _require_not_in(
    ws: Workspace, arrival: views.Arrival, kind: Literal["rows", "batch"], task: str | None
) -> None:
    """Refuse what would be learned twice: corrected already, and now as it was refused.

    `task`: what it is released for; rows that came in for other tasks do not count.

    Raises:
        ConfigError: most of its rows came in with batches that were promoted.
    """
    found = came_in(ws, arrival, kind)
    if found is None or not found.mostly:
        return
    with_ = (views.arrival(ws.ledger, batch) for batch in found.batches)
    if task is not None and task not in {each.task for each in with_ if each}:
        return
    of = "refused rows of " if kind == "rows" else ""
    raise ConfigError(
        f"There is nothing to release: of the {found.of:,} {of}{'' if of else 'rows of '}"
        f"{arrival.source}, {'all' if found.all else f'{found.rows:,}'} {found}, which was "
        "promoted. Released, they would be learned once more, with the labels that they have here.",
        "If you mean that, add --force.",
    )


def _release_for(ws: Workspace, lease: Lease, held: views.Arrival, task: str) -> Released:
    """Let the rows of a batch come back as one of another task, in place of it.

    Raises:
        ConfigError: it was promoted, or has this task already.
    """
    if held.status == "promoted":
        tasks = sorted(views.batch_tasks(ws.ledger, held.batch))
        raise ConfigError(
            f"Batch {held.batch[:12]} was promoted, so it can't be given another task by itself.",
            f"To give all of its task to {task!r}: `{correct_task(ws, tasks[0], task)}`. Or roll "
            "back to the version before it, then release it for that task.",
        )
    stored = raw_path(ws, held.batch, held.suffix)
    reading = read_batch(stored, ws.settings.data, held.task, held.source, ws.identity)
    batch = _as_batch(ws, all_rows(reading), task, f"{held.source} for {task}")
    if batch == held.batch:
        raise ConfigError(
            f"Batch {held.batch[:12]} has the task {task!r} already.", "Release it without --task."
        )
    if held.status == "held":
        release_held(ws, lease, held, f"released for task {task!r}", requeue=False)
    ws.ledger.append(QuarantineReleased(batch=held.batch, kind_="held", as_=batch), lease)
    return Released(batch, "held", len(reading.rows))


def release_held(
    ws: Workspace,
    lease: Lease,
    held: views.Arrival,
    reason: str,
    requeue: bool = True,
    passed: bool = False,
) -> None:
    """Queue a held batch again; the examination of its version no longer counts.

    `passed`: because another version became champion while it waited for labels.
    """
    version = views.version(ws.ledger, held.version) if held.version else None
    if version is None or version.status != "held":  # it waits for a probation to end
        if requeue:
            ws.ledger.append(BatchRequeued(batch=held.batch, reason=reason), lease)
        return
    superseded = VersionSuperseded(
        version=version.version,
        batch=held.batch,
        reason=reason,
        requeue=requeue,
        passed=passed or None,
    )
    ws.ledger.append(superseded, lease)
    versions = views.versions(ws.ledger, batch=held.batch)
    publication.mirror(ws, lease, {version.version for version in versions})


def _pooled_member(
    ws: Workspace, found: Sequence[views.Arrival], kept: Collection[str]
) -> views.Arrival | None:
    """Return the batch that was found if it is the only one and pooled; not if its rows are meant.

    `kept`: the batches of which something is in quarantine.
    """
    if len(found) != 1 or found[0].status != "pooled":
        return None
    whole = views.pooled_into(ws.ledger, found[0].batch)
    return found[0] if whole in kept or found[0].batch not in kept else None


def _release_member(
    ws: Workspace, lease: Lease, member: views.Arrival, task: str | None
) -> Released:
    """Queue a batch by itself that was pooled into one that is in quarantine.

    Raises:
        ConfigError: it was pooled into a batch that waits, is held or was promoted; or it
            cannot be given another `task`.
    """
    whole = views.arrival(ws.ledger, views.pooled_into(ws.ledger, member.batch))
    assert whole is not None  # a batch is pooled into one that arrived
    if whole.status not in ("rejected", "refused", "quarantined"):
        raise ConfigError(
            f"Batch {member.batch[:12]} is trained as part of batch {whole.batch[:12]}, which is "
            f"{whole.status}.",
            f"Release that one: `ratchet quarantine release {whole.batch[:12]}`."
            if whole.status == "held"
            else "See `ratchet status`.",
        )
    if task is not None:
        raise ConfigError(
            f"Batch {member.batch[:12]} was pooled with its task; its task can't be changed.",
            "Release it without --task, or send its rows with the right task.",
        )
    rows = read_items(items_path(ws, member.batch), ws.identity)
    released = QuarantineReleased(batch=member.batch, kind_="batch", as_=member.batch)
    ws.ledger.append(released, lease)
    return Released(member.batch, "batch", len(rows))


def find_entry(ws: Workspace, prefix: str) -> Entry:
    """Return the one quarantined batch whose digest begins with `prefix`.

    Law: what is damaged in another entry is no fault of this one.

    Raises:
        ConfigError: none does, or several do.
        Corrupted: its `about.json` is missing or cannot be read.
    """
    kept = sorted({row.batch for row in views.quarantined(ws.ledger)})
    found = [batch for batch in kept if batch.startswith(prefix)]
    if len(found) == 1:
        about = ws.quarantine / found[0] / ABOUT
        if not about.exists():
            raise Corrupted(f"{about} is missing.", REBUILD)
        return read_entry(ws.quarantine, found[0])
    held = [each for each in views.held_batches(ws.ledger) if each.batch.startswith(prefix)]
    if not found and len(held) == 1:
        batch, version = held[0].batch[:12], held[0].version
        why = f"`ratchet version explain {version}` says why; " if version else ""
        raise ConfigError(
            f"Batch {batch} is held: none of its rows is in quarantine.",
            f"{why}`ratchet quarantine release {batch}` has it examined again.",
        )
    problem = "Nothing" if not found else f"More than one entry ({len(found)})"
    raise ConfigError(
        f"{problem} in quarantine starts with {prefix!r}.",
        "`ratchet quarantine list` shows what is there.",
    )


def release(
    ws: Workspace, lease: Lease, entry: Entry, task: str | None = None, force: bool = False
) -> Released:
    """Queue a quarantined batch, or the rejected rows of one, again.

    `task`: for a file that could not be read when it arrived, the task of rows without one; for
    all else, the task of every row, which makes it a batch of its own. `force`: as `release_any`.

    Raises:
        ConfigError: it was released before, its name is not usable, or most of its rows came in.
        DataRejected: the stored file can't be read today.
    """
    if task is not None:
        task = check_task(task, ws.settings.data.tasks)
    kept = {
        row.kind
        for row in views.quarantined(ws.ledger)
        if row.batch == entry.batch and row.status == "kept"
    }
    if entry.kind not in kept:
        raise ConfigError(
            f"The {entry.kind} of {entry.id[:12]} are no longer in quarantine.",
            "See `ratchet status`.",
        )
    arrival = views.arrival(ws.ledger, entry.batch)
    assert arrival is not None  # an entry is of a batch that arrived
    if not force:
        _require_not_in(ws, arrival, entry.kind, task)
    again = _requeue if entry.kind == "batch" else _rows_as_batch
    batch = again(ws, entry, task)
    ws.ledger.append(QuarantineReleased(batch=entry.batch, kind_=entry.kind, as_=batch), lease)
    return Released(batch, entry.kind, entry.row_count)


def _requeue(ws: Workspace, entry: Entry, task: str | None) -> str:
    """Return the batch to queue: itself, or what its bytes are read as today."""
    arrival = views.arrival(ws.ledger, entry.batch)
    assert arrival is not None and entry.stored_path is not None  # both written on arrival
    stored = ws.root / entry.stored_path
    if not views.arrived(ws.ledger, arrival).refused:
        if task is None:
            return entry.batch
        reading = read_batch(stored, ws.settings.data, arrival.task, arrival.source, ws.identity)
        return _as_batch(ws, all_rows(reading), task, f"{arrival.source} for {task}")
    again = arrive(ws, stored, task or arrival.task, arrival.source)
    if again.batch == entry.batch:
        raise ConfigError(
            f"{arrival.source} still cannot be read: {entry.reason}",
            "Change the setting that rejects it, or send a corrected file.",
        )
    return again.batch


def _rows_as_batch(ws: Workspace, entry: Entry, task: str | None) -> str:
    arrival = views.arrival(ws.ledger, entry.batch)
    assert arrival is not None  # an entry is of a batch that arrived
    came_as = None if arrival.task == UNNAMED else arrival.task
    name = f"released rows of {entry.source}"
    return _as_batch(ws, read_rows(entry), task, name, came_as)


def _as_batch(
    ws: Workspace,
    rows: Iterable[Rejected],
    task: str | None,
    name: str,
    came_as: str | None = None,
) -> str:
    """Let rows arrive as a batch; with `task`, all of them are given that one.

    `came_as`: the task that they arrived for, of rows without one.
    """
    with TemporaryDirectory(PART_SUFFIX, "released-", ws.mlruns) as folder:
        target = Path(folder) / "released.jsonl"
        write_batch_file(rows, target, ws.settings.data.task_column, task)
        return arrive(ws, target, came_as, name).batch


def all_rows(reading: Reading) -> Iterator[Rejected]:
    """Yield every row and every unreadable line of a batch, as quarantine would keep them."""
    for row in reading.rows:
        yield Rejected(row.place, row.digest, (), row.raw, row.task)
    for problem in reading.problems:
        yield Rejected(problem.place, problem.digest, (problem.reason,), problem.raw)
