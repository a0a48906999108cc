"""Arrival: a file becomes one inbox row, whatever it is called and how often it comes.

Concept: the bytes are copied under the batch's digest before the event is written, so an
inbox row never points at nothing. A file that cannot be read at all arrives too: under the
digest of its bytes, refused, in quarantine.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from components.data.quarantine import write_batch
from components.data.readers import Reading, read_batch
from components.digest import file_digest
from components.errors import ConfigError, DataRejected
from components.files import PART_SUFFIX, publish_file
from components.ledger import views
from components.pipeline.workspace import Workspace

UNFINISHED = (".part", ".tmp", ".swp", ".crdownload")


@dataclass(frozen=True, slots=True)
class Arrived:
    """What an arriving file turned out to be. `is_new` is False for a batch seen before."""

    batch: str
    is_new: bool


def arrive(ws: Workspace, path: Path, task: str | None) -> Arrived:
    """Take one file in.

    The task of rows without one is `task`, else the folder under `data/incoming` that the
    file lies in, else `default`.

    Raises:
        ConfigError: there is no such file.
    """
    if not path.exists():
        raise ConfigError(f"There is no file {path}.", "Check the path and run it again.")
    task = task or _folder_task(ws, path)
    with ws.arrivals_locked():
        try:
            reading = read_batch(path, ws.settings.data, task)
        except DataRejected as error:
            return _refuse_unreadable(ws, path, task, error)
        return _take_in(ws, path, task, reading)


def _take_in(ws: Workspace, path: Path, task: str, reading: Reading) -> Arrived:
    if views.arrival(ws.ledger, reading.digest) is not None:
        return Arrived(reading.digest, is_new=False)
    publish_file(path, raw_path(ws, reading.digest, path.suffix))
    _record_arrival(ws, reading.digest, path, task)
    return Arrived(reading.digest, is_new=True)


def raw_path(ws: Workspace, batch: str, suffix: str) -> Path:
    """Return where a batch's original bytes are kept."""
    return ws.batches / batch / f"raw{suffix}"


def items_path(ws: Workspace, batch: str) -> Path:
    """Return where a batch's accepted items are kept."""
    return ws.batches / batch / "items.jsonl"


def set_batch_aside(ws: Workspace, arrival: views.Arrival, reason: str) -> None:
    """Enter a stored batch in quarantine; its bytes stay where they are."""
    path = raw_path(ws, arrival.batch, arrival.suffix)
    stored = str(path.relative_to(ws.root))
    write_batch(ws.quarantine, arrival.batch, arrival.source, reason, stored)


def incoming_files(ws: Workspace) -> list[Path]:
    """Return the files waiting under `data/incoming`, oldest first, then by name.

    Hidden files and those whose suffix says that they are still being written are left.
    """
    files = [
        path
        for path in ws.incoming.rglob("*")
        if path.is_file()
        and not path.name.startswith(".")
        and path.suffix not in UNFINISHED
        and path.name != "README.md"
    ]
    return sorted(files, key=lambda path: (path.stat().st_mtime_ns, str(path)))


def take_incoming(ws: Workspace) -> list[Arrived]:
    """Take in every waiting file; each leaves `data/incoming` once its arrival is recorded."""
    taken = []
    for path in incoming_files(ws):
        taken.append(arrive(ws, path, None))
        path.unlink()
    return taken


def _folder_task(ws: Workspace, path: Path) -> str:
    incoming = ws.incoming.resolve()
    folder = path.resolve().parent
    if folder != incoming and folder.is_relative_to(incoming):
        return folder.relative_to(incoming).parts[0]
    return "default"


def _record_arrival(
    ws: Workspace, batch: str, path: Path, task: str, refused: str | None = None
) -> None:
    payload = {
        "batch": batch,
        "source": path.name,
        "task": task,
        "suffix": path.suffix,
        "refused": refused,
    }
    ws.ledger.append("batch.arrived", payload, None)


def _refuse_unreadable(ws: Workspace, path: Path, task: str, error: DataRejected) -> Arrived:
    if not path.is_file():
        raise error
    batch = file_digest(path)
    if views.arrival(ws.ledger, batch) is not None:
        return Arrived(batch, is_new=False)
    kept = ws.quarantine / batch / f"raw{path.suffix}"
    publish_file(path, kept)
    stored = str(kept.relative_to(ws.root))
    write_batch(ws.quarantine, batch, path.name, str(error), stored)
    _record_arrival(ws, batch, path, task, str(error))
    return Arrived(batch, is_new=True)


def discard_unfinished(ws: Workspace) -> list[str]:
    """Remove what a killed process left half-made: partial files, batches without a row."""
    with ws.arrivals_locked():
        known = {arrival.batch for arrival in views.arrivals(ws.ledger)}
        folders = ws.batches.iterdir() if ws.batches.exists() else ()
        left = [folder for folder in folders if folder.is_dir() and folder.name not in known]
        for place in (ws.batches, ws.holdouts, ws.quarantine, ws.mlruns):
            left += [path for path in place.rglob(f"*{PART_SUFFIX}") if path.exists()]
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return [str(path.relative_to(ws.root)) for path in left]
