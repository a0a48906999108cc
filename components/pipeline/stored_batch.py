"""Read a stored batch again: its bytes must be the ones that arrived, or it is moved aside.

Concept: the event of an arrival carries the mark of the original bytes. If they differ or are
missing, an intact copy is taken from DVC's cache or remote; the damaged bytes are moved to
`data/damaged`, never overwritten.

Promise: damage to one batch never stops the queue: it is a `DataRejected` that names the place
and the remedy.
"""

from __future__ import annotations

from pathlib import Path

from components.data.readers import Reading, content_digest, identities, read_batch
from components.data.versioning import Stored
from components.errors import Corrupted, DataRejected
from components.files import mark_of
from components.ledger import views
from components.ledger.events import BatchRestored, Mark, StoreBegun, StoreDone
from components.ledger.ledger import Lease
from components.workspace.batch_files import keep_aside, raw_path
from components.workspace.root import Workspace
from components.workspace.stored_files import store_files, stored_files


def read_kept(ws: Workspace, lease: Lease, arrival: views.Arrival) -> Reading:
    """Return what a stored batch says.

    Raises:
        DataRejected: its bytes are damaged or gone and no good copy is left, or they are read
            as something else than when they arrived.
    """
    path = raw_path(ws, arrival.batch, arrival.suffix)
    mark = views.arrived(ws.ledger, arrival).raw
    if not _is_sound(path, mark):
        _restore(ws, lease, arrival, path, mark)
    reading = read_batch(path, ws.settings.data, arrival.task, arrival.source, ws.identity)
    if reading.digest == arrival.batch:
        return reading
    if arrival.batch in identities(
        reading, content_digest(reading, ws.settings.data, arrival.task)
    ):
        return reading
    if mark is None:  # an older ledger knows the rows only, not the bytes
        raise _damaged(path)
    raise DataRejected(
        f"{arrival.source}, batch {arrival.batch[:12]}, now reads as a different batch than when "
        "it arrived.",
        "Set data.text_column and data.label_column back and release it, or send the file again; "
        "other names of columns belong into data.columns.",
    )


def store_raw(ws: Workspace, lease: Lease, arrival: views.Arrival) -> None:
    """Store the original bytes of a batch by DVC, unless they are stored or damaged."""
    path = raw_path(ws, arrival.batch, arrival.suffix)
    mark = views.arrived(ws.ledger, arrival).raw
    if not _is_sound(path, mark):
        return
    done = views.newest_of_batch(ws.ledger, StoreDone, arrival)
    name = str(path.relative_to(ws.root))
    if done is not None and name in {file["path"] for file in done.files}:
        return
    key = f"store:{arrival.batch}"
    ws.ledger.append(StoreBegun(key=key, batch=arrival.batch), lease)
    stored = store_files(ws, [path])
    ws.ledger.append(StoreDone(key=key, batch=arrival.batch, files=stored), lease)


def _is_sound(path: Path, mark: Mark | None) -> bool:
    if not path.is_file():
        return False
    return mark is None or mark_of(path).sha256 == mark["sha256"]


def _restore(
    ws: Workspace, lease: Lease, arrival: views.Arrival, path: Path, mark: Mark | None
) -> None:
    """Bring a good copy back from DVC and record that; what is damaged is moved aside."""
    name = str(path.relative_to(ws.root))
    md5 = stored_files(ws, arrival.batch).get(name)
    if md5 is None or not ws.store.has_copy(md5):
        raise _damaged(path)
    aside = keep_aside(ws, path, arrival.batch) if path.is_file() else None
    try:
        ws.store.fetch(Stored(name, md5, mark["size"] if mark else 0))
    except Corrupted as error:
        raise _damaged(path) from error
    if not _is_sound(path, mark):
        raise _damaged(path)
    damaged = str(aside.relative_to(ws.root)) if aside else None
    restored = BatchRestored(batch=arrival.batch, path=name, md5=md5, damaged=damaged)
    ws.ledger.append(restored, lease)


def _damaged(path: Path) -> DataRejected:
    state = "is no longer what arrived" if path.exists() else "is missing"
    return DataRejected(
        f"{path} {state}, and DVC has no intact copy.",
        "Restore the original file there, then run `ratchet quarantine release` for the batch.",
    )
