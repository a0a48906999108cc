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
from components.data.readers import read_batch
from components.digest import file_digest
from components.errors import ConfigError, DataRejected
from components.files import publish_file
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
    try:
        reading = read_batch(path, ws.settings.data, task)
    except DataRejected as error:
        return _refuse_unreadable(ws, path, task, str(error))
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


def _refuse_unreadable(ws: Workspace, path: Path, task: str, reason: str) -> Arrived:
    if not path.is_file():
        raise DataRejected(f"{path} is not a regular file.", "Name one batch file.")
    batch = file_digest(path)
    if views.arrival(ws.ledger, batch) is not None:
        return Arrived(batch, is_new=False)
    write_batch(ws.quarantine, batch, path.name, reason, path)
    _record_arrival(ws, batch, path, task, reason)
    return Arrived(batch, is_new=True)


def discard_unreferenced(ws: Workspace) -> None:
    """Remove stored batches that no inbox row names: copied, then killed before the event."""
    known = {arrival.batch for arrival in views.arrivals(ws.ledger)}
    for folder in ws.batches.iterdir() if ws.batches.exists() else ():
        if folder.is_dir() and folder.name not in known:
            shutil.rmtree(folder)
