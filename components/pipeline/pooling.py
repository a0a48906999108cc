"""Pooling: held batches that are too small are trained together with the next small one.

Concept: four files of 50 rows are to do what one of 200 does. When the turn of a small batch
comes, its items and those of small batches that are held become a new batch, which arrives like
any file; they are settled by that, and no longer trained by themselves. A pooled batch that is
held and still small is pooled again.

Promise: what a member held out stays held out. A batch that has `training.pool_below` training
rows is never pooled, and only batches with a task in common are, so that one bad file spoils
little; members of a rejected batch can be released one by one. The last effect is the event
that settles the members: killed before, the same batch comes up again and is pooled alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.digest import canonical_json
from components.errors import Corrupted
from components.files import PART_SUFFIX, write_lines
from components.items import Item, read_items
from components.ledger import views
from components.ledger.events import BatchPooled
from components.ledger.ledger import Lease
from components.pipeline import publication
from components.pipeline.arrival import arrive
from components.pipeline.held import decision_on, lacks_more_than_labels
from components.pipeline.preparation import Prepared
from components.workspace.batch_files import items_path
from components.workspace.root import Workspace

NAMED_SOURCES = 5


def pool(ws: Workspace, lease: Lease, prepared: Prepared) -> str | None:
    """Make a new batch of this one and of small held ones; return it, or None without any.

    The new batch is queued, and the members are settled as `pooled`.
    """
    _show_superseded(ws, lease, prepared.batch)
    held = _held_to_pool(ws, prepared)
    if not held:
        return None
    members = [*held, prepared.batch]
    named = _name(ws, members)
    rows = {(item.digest, item.task): item for batch in members for item in _items(ws, batch)}
    with TemporaryDirectory(PART_SUFFIX, "pooled-", ws.mlruns) as folder:
        target = Path(folder) / "pooled.jsonl"
        write_lines(target, (_line(ws, rows[key]) for key in sorted(rows)))
        batch = arrive(ws, target, None, named).batch
    arrival = views.arrival(ws.ledger, batch)
    if arrival is None or (arrival.status, arrival.source) != ("queued", named):
        return None  # these very rows were sent as one file before
    ws.ledger.append(BatchPooled(batch=batch, members=members), lease)
    return batch


def _held_to_pool(ws: Workspace, prepared: Prepared) -> list[str]:
    """Return held batches, oldest first, that are to be trained together with this one."""
    enough, rows = ws.settings.training.pool_below, len(prepared.split.train)
    found: list[str] = []
    for arrival in views.held_batches(ws.ledger):
        own = len(views.split_side(ws.ledger, arrival.batch, "train"))
        if rows < enough and own < enough and _is_open(ws, arrival, prepared):
            found.append(arrival.batch)
            rows += own
    return found


def _is_open(ws: Workspace, arrival: views.Arrival, prepared: Prepared) -> bool:
    """Tell whether a held batch shares a task, can be read, and lacks what rows would bring.

    One that only waits for its approval is left to the person, and one that only waits for labels
    to those who answer: trained otherwise, its questions would be void.
    """
    version = views.version(ws.ledger, arrival.version) if arrival.version else None
    if version is None or version.status != "held":
        return False
    decision = decision_on(ws, version)
    try:
        tasks = {item.task for item in _items(ws, arrival.batch)}
    except (OSError, Corrupted):
        return False  # it stays held; `audit verify` tells what is damaged
    shared = bool(tasks & prepared.tasks)
    return shared and decision is not None and lacks_more_than_labels(decision)


def _items(ws: Workspace, batch: str) -> Iterable[Item]:
    return read_items(items_path(ws, batch), ws.identity)


def _line(ws: Workspace, item: Item) -> bytes:
    """Return a row as the contract reads it today."""
    data = ws.settings.data
    row: dict[str, Any] = dict(item.slices)
    row |= {data.text_column: item.content, data.label_column: item.label}
    return f"{canonical_json(row | {data.task_column: item.task})}\n".encode()


def _name(ws: Workspace, members: list[str]) -> str:
    sources = []
    for batch in members:
        arrival = views.arrival(ws.ledger, batch)
        assert arrival is not None  # members come from the inbox
        sources += [each.source for each in views.members(ws.ledger, batch) or [arrival]]
    more = len(sources) - NAMED_SOURCES
    return f"pooled: {' + '.join(sources[:NAMED_SOURCES])}{f' + {more} more' * (more > 0)}"


def _show_superseded(ws: Workspace, lease: Lease, batch: str) -> None:
    """Let MLflow show that a pooled batch's members are settled; does nothing for others."""
    touched = {
        version.version
        for member in views.direct_members(ws.ledger, batch)
        for version in views.versions(ws.ledger, batch=member)
    }
    if touched:
        publication.mirror(ws, lease, touched)
