"""Files of unlabelled inputs in `data/pool`: taken into the pool of the task that a folder names.

Concept: a file is taken once it is complete, as in `data/incoming`. One that can't be used, or that
has broken rows, stays with a reason and is not read again until it changes; it keeps nothing else
from being taken.

Promise: a file is deleted only when every row of it is held out or was trained on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from components.data.finished_files import QuietFiles, Signature
from components.digest import task_name
from components.errors import ConfigError, DataRejected
from components.files import PART_SUFFIX
from components.ledger.ledger import Lease
from components.operations.holdouts import Added, NothingNew, add_pool
from components.pipeline.arrival import printable
from components.pipeline.incoming import BEING_WRITTEN, CHANGED, Left, look
from components.pipeline.staging import BeingWritten, Staged, let_go, put_back, stage
from components.workspace.root import Workspace

NO_TASK = "in no folder of a task; move it to data/pool/NAME/"


@dataclass(frozen=True, slots=True)
class Pooled:
    """A file that was taken: `path` relative to the root, how many inputs are new."""

    path: str
    task: str
    inputs: int


@dataclass(slots=True)
class PoolFolder:
    """The folder `data/pool`, from look to look.

    `quiet`: what earlier looks saw. `left`: what the last look left there, and why.
    """

    quiet: QuietFiles
    left: list[Left] = field(default_factory=list)
    _staying: dict[Path, tuple[Signature, str]] = field(default_factory=dict)

    def has_work(self, ws: Workspace) -> bool:
        """Look; tell whether there is something to take, or to put right after a crash."""
        found = look(ws, ws.pool_files)
        self.left = list(found.left)
        files = list(self._complete(ws, found.files))
        self.quiet.remember(found.files)
        return bool(files or found.hidden)

    def wait(self, ws: Workspace) -> None:
        """Wait for files that only have to stay quiet, for whoever looks only once."""
        seconds = [0.0]
        for path in look(ws, ws.pool_files).files:
            with suppress(OSError):
                seconds.append(self.quiet.seconds_left(path) or 0.0)
        time.sleep(max(seconds))

    def take(self, ws: Workspace, lease: Lease) -> list[Pooled]:
        """Take every complete file in; return what was taken."""
        for path in look(ws, ws.pool_files).hidden:  # a killed process had hidden it
            with suppress(OSError):
                put_back(path)
        found = look(ws, ws.pool_files)
        self.left = list(found.left)
        taken = []
        for path in self._complete(ws, found.files):
            pooled = self._take(ws, lease, path)
            taken += [pooled] if pooled is not None else []
        return taken

    def _complete(self, ws: Workspace, files: list[Path]) -> Iterator[Path]:
        """Yield the files that can be read now; note why the others are left."""
        for path in files:
            try:
                seconds, now = self.quiet.seconds_left(path), Signature.of(path.lstat())
            except OSError:
                continue  # somebody took it away
            before = self._staying.get(path)
            if before is not None and before[0] == now:
                self._leave(ws, path, before[1])
            elif seconds != 0:
                self._leave(ws, path, BEING_WRITTEN, seconds)
            elif _task(ws, path) is None:
                self._leave(ws, path, NO_TASK)
            else:
                yield path

    def _take(self, ws: Workspace, lease: Lease, path: Path) -> Pooled | None:
        task = _task(ws, path) or ""
        try:
            with TemporaryDirectory(PART_SUFFIX, "pool-", ws.mlruns) as folder:
                staged = stage(path, Path(folder), ws.settings.data.max_file_megabytes)
                added = _added(ws, lease, path, task, staged.path)
        except FileNotFoundError:
            return None
        except BeingWritten:
            self._leave(ws, path, BEING_WRITTEN)
            return None
        except (ConfigError, DataRejected) as error:
            self._stay(ws, path, str(error).removeprefix(f"{path}: "))
            return None
        if broken := added.rejected - added.copies:
            self._stay(ws, path, f"{broken} of its rows can't be used: correct or delete them")
        else:
            self._delete(ws, path, staged)
        name = printable(str(path.relative_to(ws.root)))
        return Pooled(name, task, added.items) if added.items else None

    def _delete(self, ws: Workspace, path: Path, staged: Staged) -> None:
        try:
            if not let_go(path, staged):
                self._leave(ws, path, CHANGED)
        except OSError as error:
            self._stay(ws, path, f"taken, but can't be removed: {error.strerror}")

    def _stay(self, ws: Workspace, path: Path, reason: str) -> None:
        """Leave a file until it changes."""
        with suppress(OSError):
            self._staying[path] = Signature.of(path.lstat()), reason
        self._leave(ws, path, reason)

    def _leave(
        self, ws: Workspace, path: Path, reason: str, seconds_left: float | None = None
    ) -> None:
        name = printable(str(path.relative_to(ws.root)))
        self.left.append(Left(name, printable(reason), seconds_left))


def _added(ws: Workspace, lease: Lease, path: Path, task: str, copy: Path) -> Added:
    try:
        return add_pool(ws, lease, path, task, copy)
    except NothingNew as error:
        if error.found.rejected > error.found.copies:
            raise
        return error.found


def _task(ws: Workspace, path: Path) -> str | None:
    folder = path.relative_to(ws.pool_files).parts[:-1]
    return task_name(folder[0]) if folder else None
