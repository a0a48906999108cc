"""Arrival: a file becomes one inbox row, whatever it is called and how often it comes.

Concept: the bytes are copied under the batch's digest before the event is written, so an
inbox row never points at nothing. A file that cannot be read at all arrives too: under the
digest of its bytes, refused, in quarantine.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.data.quarantine import write_batch
from components.data.readers import Reading, read_batch
from components.data.tracked import SHARD_CHARS
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


def arrive(ws: Workspace, path: Path, task: str | None, name: str | None = None) -> Arrived:
    """Take one file in.

    The task of rows without one is `task`, else the folder under `data/incoming` that the
    file lies in, else `default`. `name` is what people know the file by, where its own name
    says nothing.

    Raises:
        ConfigError: there is no such file, or the task's name is not usable.
        DataRejected: it is no file but a folder, a pipe or the like.
    """
    if not path.exists():
        raise ConfigError(f"There is no file {path}.", "Check the path and run it again.")
    with _arriving(ws):
        return _arrive(ws, path, _folder_task(ws, path) if task is None else task, name)


def _arrive(ws: Workspace, path: Path, task: str, name: str | None = None) -> Arrived:
    source = printable(name or path.name)
    check_task(task)
    try:
        reading = read_batch(path, ws.settings.data, task)
    except DataRejected as error:
        return _refuse_unreadable(ws, path, source, task, error)
    return _take_in(ws, path, source, task, reading)


def _take_in(ws: Workspace, path: Path, source: str, task: str, reading: Reading) -> Arrived:
    if views.arrival(ws.ledger, reading.digest) is not None:
        return Arrived(reading.digest, is_new=False)
    publish_file(path, raw_path(ws, reading.digest, path.suffix))
    _record_arrival(ws, reading.digest, source, path.suffix, task)
    return Arrived(reading.digest, is_new=True)


def check_task(task: str) -> None:
    """Refuse a name that no task may have: "mood#2" is the second exam of "mood".

    Raises:
        ConfigError: it is blank, or holds a `#` or a character that cannot be printed.
    """
    if not task.strip() or "#" in task or not task.isprintable():
        raise ConfigError(
            f"A task can't be called {printable(task)!r}.", "Use a printable name without `#`."
        )


def printable(name: str) -> str:
    """Return text that UTF-8 can hold: what it cannot (lone surrogates) is written out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def raw_path(ws: Workspace, batch: str, suffix: str) -> Path:
    """Return where a batch's original bytes are kept."""
    return _batch_folder(ws, batch) / f"raw{suffix}"


def items_path(ws: Workspace, batch: str) -> Path:
    """Return where a batch's accepted items are kept."""
    return _batch_folder(ws, batch) / "items.jsonl"


def _batch_folder(ws: Workspace, batch: str) -> Path:
    """Return a batch's folder: below two digits, so that DVC's listings stay short.

    Earlier roots have it directly below `data/batches`.
    """
    before = ws.batches / batch
    return before if before.exists() else ws.batches / batch[:SHARD_CHARS] / batch


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
    taken: list[Arrived] = []
    if not incoming_files(ws):
        return taken
    with _arriving(ws):
        for path in incoming_files(ws):
            taken.append(_arrive(ws, path, _folder_task(ws, path)))
            path.unlink()
    return taken


def _folder_task(ws: Workspace, path: Path) -> str:
    incoming = ws.incoming.resolve()
    folder = path.resolve().parent
    if folder != incoming and folder.is_relative_to(incoming):
        return folder.relative_to(incoming).parts[0]
    return "default"


def _record_arrival(
    ws: Workspace, batch: str, source: str, suffix: str, task: str, refused: str | None = None
) -> None:
    payload = {
        "batch": batch,
        "source": source,
        "task": task,
        "suffix": suffix,
        "refused": refused,
    }
    ws.ledger.append("batch.arrived", payload, None)


def _refuse_unreadable(
    ws: Workspace, path: Path, source: str, task: str, error: DataRejected
) -> Arrived:
    if not path.is_file():
        raise error
    batch = file_digest(path)
    if views.arrival(ws.ledger, batch) is not None:
        return Arrived(batch, is_new=False)
    kept = ws.quarantine / batch / f"raw{path.suffix}"
    publish_file(path, kept)
    stored = str(kept.relative_to(ws.root))
    reason = printable(str(error).replace(str(path), source))
    write_batch(ws.quarantine, batch, source, reason, stored)
    _record_arrival(ws, batch, source, path.suffix, task, reason)
    return Arrived(batch, is_new=True)


@contextmanager
def _arriving(ws: Workspace) -> Iterator[None]:
    """Keep arrivals apart; a mark outlives those that broke off, by a kill or by a fault."""
    with ws.arrivals_locked():
        _mark(ws).touch()
        yield
        _mark(ws).unlink(missing_ok=True)


def was_interrupted(ws: Workspace) -> bool:
    """Tell whether an arrival broke off, or goes on now."""
    return _mark(ws).exists()


def _mark(ws: Workspace) -> Path:
    return ws.mlruns / "arriving"


def discard_unfinished(ws: Workspace) -> list[str]:
    """Remove the partial files that a killed process left."""
    with ws.arrivals_locked():
        left = list(ws.batches.parent.glob(f"*{PART_SUFFIX}"))
        for place in (ws.batches, ws.holdouts, ws.quarantine, ws.mlruns):
            left += [path for path in place.rglob(f"*{PART_SUFFIX}") if path.exists()]
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        _mark(ws).unlink(missing_ok=True)
    return [str(path.relative_to(ws.root)) for path in left]
