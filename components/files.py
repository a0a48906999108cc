"""Durable file writes: a reader sees the old bytes or the new ones, never a part.

Concept: write beside the target, flush to the disk, rename. A crash leaves at most a
`*.part` file, which `reconcile` removes.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .digest import canonical_json, file_digest

PART_SUFFIX = ".part"


@dataclass(frozen=True, slots=True)
class FileMark:
    """What a file's bytes are known by in the ledger: SHA-256 (64 hex digits), size in bytes."""

    sha256: str
    size: int

    def to_json(self) -> dict[str, Any]:
        """Return the mark as an event carries it."""
        return asdict(self)


def mark_of(path: Path) -> FileMark:
    """Read a file and return its mark.

    Raises:
        OSError: it cannot be read.
    """
    return FileMark(file_digest(path), path.stat().st_size)


def read_bytes(path: Path, limit: int = -1) -> bytes:
    """Return the bytes of a regular file, at most `limit` of them; a pipe is not waited for.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return file.read(limit)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step.

    Raises:
        OSError: nothing was changed at `path`; the partial file is removed.
    """
    with _replacing(path) as part:
        part.write_bytes(data)


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines, each with its own line end, to `path` in one step, one after the other.

    Raises:
        OSError, or what `lines` raises: nothing was changed at `path`.
    """
    with _replacing(path) as part, part.open("wb") as file:
        file.writelines(lines)


def write_json(path: Path, value: object) -> None:
    """Write `value` as canonical JSON with a closing newline."""
    write_bytes(path, (canonical_json(value) + "\n").encode("utf-8", "surrogatepass"))


def publish_file(source: Path, target: Path) -> None:
    """Copy a file of any size to `target` in one step.

    Raises:
        OSError: nothing was changed at `target`; the partial file is removed.
    """
    with _replacing(target) as part:
        shutil.copyfile(source, part)


def move_file(source: Path, target: Path) -> None:
    """Move a finished file to `target` in one step, from another disk as well.

    Raises:
        OSError: nothing was changed at `target`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sync(source)
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        publish_file(source, target)
        source.unlink()
    _sync(target.parent)


def publish_folder(part: Path, target: Path) -> None:
    """Rename the finished folder `part` to `target`; keep `target` where it exists already.

    Law: `target` names its content (a digest), so an existing one is the same one, whether it
    was there before or another process was faster.
    """
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        for path in (*part.rglob("*"), part):
            _sync(path)
        try:
            os.replace(part, target)
        except OSError:
            if not target.exists():
                raise
        _sync(target.parent)
    if part.exists():
        shutil.rmtree(part)


def files_below(top: Path, deepest: int) -> Iterator[tuple[Path, str | None]]:
    """Yield all that lies below a folder and is no folder itself; links are not followed.

    A folder that can't be listed, or lies in more than `deepest` others below `top`, is yielded
    with the reason. No recursion: folders may lie in each other a thousand deep.
    """
    folders = [(top, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            with os.scandir(folder) as found:
                inside = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield folder, f"it can't be listed: {error.strerror}"
            continue
        for entry in inside:
            if not entry.is_dir(follow_symlinks=False):
                yield folder / entry.name, None
            elif depth == deepest:
                yield folder / entry.name, f"it is more than {deepest} folders deep"
            else:
                folders.append((folder / entry.name, depth + 1))


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give the place of a new file that takes the place of `path` once the block is through."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f"{os.getpid()}-{threading.get_ident()}"
    part = path.with_name(f"{path.name}.{writer}{PART_SUFFIX}")
    try:
        yield part
        _sync(part)
        os.replace(part, path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
