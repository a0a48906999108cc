"""Where the files of a batch are stored.

Concept: `data/batches/<2 hex>/<batch>/` holds the original bytes (`raw.*`) and the accepted
items. `data/quarantine/<batch>/` says why something was refused.

Promise: only partial files of dead processes are deleted. Files with wrong bytes are moved to
`data/damaged` before they are replaced.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.data.dvc_tracking import SHARD_CHARS
from components.data.quarantine import (
    drop_prepared,
    marks,
    prepare_batch,
    publish,
    unpublished,
)
from components.digest import file_digest
from components.files import PART_SUFFIX
from components.ledger import views
from components.ledger.events import (
    BatchArrived,
    BatchRefused,
    BatchValidated,
    ChampionRolledBack,
    Payload,
    VersionRejected,
)
from components.ledger.ledger import Lease
from components.workspace.root import Workspace

Entering = BatchArrived | BatchRefused | BatchValidated | ChampionRolledBack | VersionRejected
"""The events that put something in quarantine."""


def raw_path(ws: Workspace, batch: str, suffix: str) -> Path:
    """Return where a batch's original bytes are kept."""
    return batch_folder(ws, batch) / f"raw{suffix}"


def items_path(ws: Workspace, batch: str) -> Path:
    """Return where a batch's accepted items are kept."""
    return batch_folder(ws, batch) / "items.jsonl"


def staging(ws: Workspace) -> Path:
    """Return where arriving files are copied to, until it is known what they are."""
    return ws.root / "data" / "arriving"


def unread_path(ws: Workspace, batch: str, suffix: str) -> Path:
    """Return where a file is kept of which not one byte could be read."""
    return ws.root / "data" / "unreadable" / batch / f"raw{suffix}"


def batch_folder(ws: Workspace, batch: str) -> Path:
    """Return a batch's folder: below two digits, so that DVC's listings stay short.

    Earlier roots have it directly below `data/batches`.
    """
    before = ws.batches / batch
    return before if before.exists() else ws.batches / batch[:SHARD_CHARS] / batch


def set_batch_aside(ws: Workspace, arrival: views.Arrival, reason: str) -> None:
    """Prepare a quarantine entry of a stored batch; its bytes stay."""
    path = raw_path(ws, arrival.batch, arrival.suffix)
    stored = str(path.relative_to(ws.root))
    prepare_batch(ws.quarantine, arrival.batch, arrival.source, reason, stored)


def append_entry(
    ws: Workspace, lease: Lease | None, said: Entering, batch: str, first: Sequence[Payload] = ()
) -> None:
    """Append an event with the marks of a batch's prepared entry, then publish the entry.

    `first`: events that are appended with it, before it.
    """
    entered = replace(said, quarantine=marks(ws.quarantine, batch))
    ws.ledger.append_all([*first, entered], lease)
    publish(ws.quarantine, batch)


def finish_entries(ws: Workspace) -> None:
    """Publish the prepared entries that an event speaks of, and drop the others."""
    waiting = unpublished(ws.quarantine)
    told = views.entry_marks(ws.ledger) if waiting else {}
    for batch in waiting:
        if marks(ws.quarantine, batch) == told.get(batch):
            publish(ws.quarantine, batch)
        else:
            drop_prepared(ws.quarantine, batch)


def keep_aside(ws: Workspace, path: Path, batch: str) -> Path:
    """Move bytes that are not what they should be out of the way; return where they are now."""
    target = ws.root / "data" / "damaged" / batch / f"{file_digest(path)[:16]}{path.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    return target


def remove_unfinished(ws: Workspace) -> list[Path]:
    """Remove partial files, and copies of files that had not arrived yet."""
    left = list(ws.batches.parent.glob(f"*{PART_SUFFIX}"))
    for place in (ws.batches, ws.holdouts, ws.quarantine, ws.mlruns):
        left += place.rglob(f"*{PART_SUFFIX}")
    left += staging(ws).glob("*")
    for path in left:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # it may have gone with its folder
    return left
