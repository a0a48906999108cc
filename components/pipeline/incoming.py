"""Files in `data/incoming`: read once they are complete, or left there with a reason.

Concept: a file is read once it is complete (`data.finished_files`). A bad file does not affect
the others: it goes to quarantine, or stays with a reason, and the next one is read. An error of
the ledger or the disk stops the intake; files that have not arrived stay where they are.
"""

from __future__ import annotations

import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from components.data.finished_files import QuietFiles
from components.data.formats import FORMATS
from components.errors import DataRejected
from components.pipeline.arrival import (
    Arrived,
    arriving,
    folder_task,
    printable,
    refuse_unreadable,
    take,
)
from components.pipeline.staging import (
    BeingWritten,
    UnreadableSource,
    is_hidden_source,
    let_go,
    name_in_sight,
    put_back,
    stage,
)
from components.workspace.batch_files import staging
from components.workspace.root import Workspace

UNFINISHED = (".part", ".tmp", ".swp", ".crdownload")
BEING_WRITTEN = "still being written: left for next time"
CHANGED = "changed while being read: it is read again next time"
KINDS = {
    stat.S_ISLNK: "a link; links are not followed: copy the file itself here",
    stat.S_ISFIFO: "a pipe; pipes are not opened: copy the rows to a file",
    stat.S_ISSOCK: "a socket, not a file",
    stat.S_ISCHR: "a device, not a file",
    stat.S_ISBLK: "a device, not a file",
}


@dataclass(frozen=True, slots=True)
class Left:
    """What was left in `data/incoming` or `data/pool`, and why. `path` is relative to the root.

    `seconds_left`: how long a file that is quiet must still stay so; None for all else.
    """

    path: str
    reason: str
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of one scan of `data/incoming`."""

    arrived: list[Arrived] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What lies there: files to take, sources that a killed process had hidden, and the rest."""

    files: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def look(ws: Workspace, top: Path | None = None) -> Found:
    """Return what lies under `top` (`data/incoming`), files oldest first, then by name."""
    found = Found()
    folders = [top or ws.incoming]
    while folders:  # no recursion: folders may lie in each other a thousand deep
        folder = folders.pop()
        try:
            inside = sorted(folder.iterdir())
        except FileNotFoundError:
            continue
        except OSError as error:
            found.left.append(_left(ws, folder, f"can't be listed: {error.strerror}"))
            continue
        folders += [path for path in inside if _is_taken_on(ws, path, found)]
    found.files.sort(key=lambda path: (_modified(path), str(path)))
    return found


def incoming_files(ws: Workspace) -> list[Path]:
    """Return the files waiting under `data/incoming`, oldest first, then by name."""
    return look(ws).files


def take_incoming(ws: Workspace, quiet: QuietFiles | None = None) -> Taken:
    """Take in every finished file; each leaves `data/incoming` once its arrival is recorded.

    `quiet` is what earlier looks saw. Without, this is the only look: fresh files are
    waited for, as long as they must be quiet.

    Raises:
        NeedsHuman: the ledger is an older copy; nothing was taken.
    """
    ws.ledger.require_newest()
    found = look(ws)
    if found.hidden:
        stuck = _put_back(ws, found.hidden)
        found = look(ws)
        found.left.extend(stuck)
    taken = Taken(left=found.left)
    if not found.files:
        return taken
    if quiet is None:
        quiet = QuietFiles(ws.settings.data.settle_seconds)
        time.sleep(max((_seconds_left(quiet, path) or 0.0 for path in found.files), default=0.0))
    with arriving(ws):
        for path in found.files:
            _take_one(ws, path, quiet, taken)
    quiet.remember(found.files)
    return taken


def _put_back(ws: Workspace, hidden: list[Path]) -> list[Left]:
    """Return to sight what a killed process had hidden; say what has to stay as it is."""
    stuck = []
    with arriving(ws):
        for path in filter(Path.exists, hidden):
            try:
                put_back(path)
            except OSError as error:
                reason = (
                    f"can't be moved back: {error.strerror}; rename it to {name_in_sight(path)}"
                )
                stuck.append(_left(ws, path, reason))
    return stuck


def _is_taken_on(ws: Workspace, path: Path, found: Found) -> bool:
    """Enter one name in what was found; tell whether it is a folder to look into."""
    if is_hidden_source(path):
        found.hidden.append(path)
    if path.name.startswith(".") or path.suffix.lower() in UNFINISHED or path.name == "README.md":
        return False
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        found.left.append(_left(ws, path, f"can't be inspected: {error.strerror}"))
        return False
    if stat.S_ISREG(mode):
        found.files.append(path)
        return False
    if stat.S_ISDIR(mode) and path.suffix.lower() not in FORMATS:
        return True
    reason = next((said for kind, said in KINDS.items() if kind(mode)), None)
    reason = reason or "a folder named like a file: rename it, or move its files out of it"
    found.left.append(_left(ws, path, reason))
    return False


def _take_one(ws: Workspace, path: Path, quiet: QuietFiles, taken: Taken) -> None:
    try:
        seconds = quiet.seconds_left(path)
        if seconds != 0:
            taken.left.append(_left(ws, path, BEING_WRITTEN, seconds))
            return
        staged = stage(path, staging(ws), ws.settings.data.max_file_megabytes)
    except FileNotFoundError:
        return  # somebody else took it
    except BeingWritten:
        taken.left.append(_left(ws, path, BEING_WRITTEN))
        return
    except UnreadableSource as error:
        _move_unreadable(ws, path, error, taken)
        return
    except DataRejected as error:
        taken.left.append(_left(ws, path, error.message))
        return
    taken.arrived.append(take(ws, staged, path.name, folder_task(ws, path)))
    try:
        if not let_go(path, staged):
            taken.left.append(_left(ws, path, CHANGED))
    except OSError as error:
        taken.left.append(_left(ws, path, f"read, but can't be removed: {error.strerror}"))


def _move_unreadable(ws: Workspace, path: Path, error: DataRejected, taken: Taken) -> None:
    try:
        arrived = refuse_unreadable(ws, path, folder_task(ws, path), error)
    except OSError:
        taken.left.append(_left(ws, path, f"{error.message} It can't be moved away either."))
        return
    taken.arrived.append(arrived)
    if not arrived.is_new:
        taken.left.append(_left(ws, path, "was refused before: remove or rename it"))


def _seconds_left(quiet: QuietFiles, path: Path) -> float | None:
    try:
        return quiet.seconds_left(path)
    except OSError:
        return None


def _modified(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return 0


def _left(ws: Workspace, path: Path, reason: str, seconds_left: float | None = None) -> Left:
    return Left(printable(str(path.relative_to(ws.root))), printable(reason), seconds_left)
