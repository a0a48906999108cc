"""A backup as a folder or a `.tar`: named files, and a manifest that is written last.

Concept: `root/...` holds the files, `manifest.json` what each must be. Both forms are read and
written alike; every file is hashed while it is copied.

Promise: an interrupted backup leaves nothing under the target's name, and a finished one is
private to its owner, because it holds people's data. From a backup that may come from somebody
else, only regular files with plain relative names are read, each up to the size in the manifest.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from components.errors import ConfigError, Corrupted, Retryable
from components.files import PART_SUFFIX, FileMark, files_below, move_file, publish_folder
from components.ledger.leases import is_dead

MANIFEST = "manifest.json"
INSIDE = "root"
BLOCK_BYTES = 1 << 20
DEEPEST = 200
"""Folders around a file of a backup; Python's own ways to make and remove folders recurse."""

REMEDY = "Use another backup; nothing was restored."


class Marked:
    """A file that is read up to a size and hashed on the way."""

    def __init__(self, file: IO[bytes], name: str, size: int) -> None:
        self._file, self._name, self._size, self._left = file, name, size, size
        self._digest = hashlib.sha256()

    def read(self, wanted: int = BLOCK_BYTES) -> bytes:
        """Return the next bytes, none at the end.

        Raises:
            Retryable: the file is shorter than it was.
        """
        block = self._file.read(min(wanted, self._left))
        if not block and self._left and wanted:
            raise Retryable(
                f"{self._name} was truncated while it was being copied.", "Run it again."
            )
        self._digest.update(block)
        self._left -= len(block)
        return block

    def mark(self) -> FileMark:
        """Return the mark of what was read."""
        return FileMark(self._digest.hexdigest(), self._size)


class Writer(Protocol):
    """Takes files into a backup."""

    def add(self, name: str, source: Path) -> FileMark:
        """Copy a file in under `name` and return what it is known by."""


class Reader(Protocol):
    """Gives the files of a backup."""

    sizes: dict[str, int]
    """Every file that is there, by name."""

    def open(self, name: str) -> IO[bytes]:
        """Open one file."""

    def time_ns(self, name: str) -> int:
        """Return when a file was changed, in nanoseconds since 1970."""


class FolderWriter:
    """Writes a backup as a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, source: Path) -> FileMark:
        """Copy a file in."""
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as file, target.open("xb") as out:
            stat = os.fstat(file.fileno())
            marked = Marked(file, str(source), stat.st_size)
            shutil.copyfileobj(marked, out, BLOCK_BYTES)
        os.utime(target, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
        return marked.mark()


class TarWriter:
    """Writes a backup as an uncompressed tar file: what is in it is mostly compressed."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, source: Path) -> FileMark:
        """Copy a file in."""
        with source.open("rb") as file:
            stat = os.fstat(file.fileno())
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = stat.st_size, stat.st_mtime, 0o600
            marked = Marked(file, str(source), stat.st_size)
            self._tar.addfile(info, marked)
        return marked.mark()


@contextmanager
def writing(target: Path) -> Iterator[tuple[Writer, Path]]:
    """Yield a writer and a folder for scratch; the backup appears once the block is through.

    Raises:
        ConfigError: something is there already.
    """
    require_free(target)
    with beside(target) as work:
        (work / "scratch").mkdir()
        if target.suffix == ".tar":
            with tarfile.open(work / target.name, "x", format=tarfile.PAX_FORMAT) as tar:
                (work / target.name).chmod(0o600)
                yield TarWriter(tar), work / "scratch"
            move_file(work / target.name, target)
        else:
            (work / "backup").mkdir()
            yield FolderWriter(work / "backup"), work / "scratch"
            put_in_place(work / "backup", target, MANIFEST)


def require_free(target: Path) -> None:
    """Refuse to write over anything but an empty folder or an empty file.

    Raises:
        ConfigError: something is there.
    """
    if target.is_symlink() or (
        any(target.iterdir()) or target.suffix == ".tar"
        if target.is_dir()
        else target.exists() and (target.stat().st_size or target.suffix != ".tar")
    ):
        raise ConfigError(f"{target} already exists.", "Choose a new or empty folder.")


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """Yield a private folder beside `target`, removed in the end; those of the dead go as well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    dead = re.compile(rf"{re.escape(target.name)}\.(\d+){re.escape(PART_SUFFIX)}")
    for path in target.parent.iterdir():
        found = dead.fullmatch(path.name)
        if found and is_dead(f"{socket.gethostname()}:{found[1]}:"):
            shutil.rmtree(path, ignore_errors=True)
    work = target.with_name(f"{target.name}.{os.getpid()}{PART_SUFFIX}")
    work.mkdir(mode=0o700)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def put_in_place(folder: Path, target: Path, last: str) -> None:
    """Give a finished folder the name `target`, in one step unless that is an empty folder.

    An empty folder stays the same one, since a shell may stand in it; it is filled, and counts
    for nothing until `last` is in it.
    """
    if not target.exists():
        folder.chmod(0o700)
        publish_folder(folder, target)
        return
    target.chmod(0o700)
    for path in sorted(folder.iterdir(), key=lambda path: (path.name == last, path.name)):
        publish_folder(path, target / path.name)


class FolderReader:
    """Reads a backup that is a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sizes = {}
        for path, why in files_below(folder, DEEPEST):
            name = path.relative_to(folder).as_posix()
            if why is not None or path.is_symlink() or not path.is_file():
                raise _damaged(folder, f"{name[:100]}: {why or 'it is not a regular file'}")
            self.sizes[name] = path.stat().st_size

    def open(self, name: str) -> IO[bytes]:
        """Open one file."""
        return (self._folder / name).open("rb")

    def time_ns(self, name: str) -> int:
        """Return when a file was changed."""
        return (self._folder / name).stat().st_mtime_ns


class TarReader:
    """Reads a backup that is a tar file."""

    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isdir():
                continue
            if not member.isreg() or member.issparse() or name in self._members:
                raise _damaged(path, f"{name} is not a regular file, or is listed twice")
            self._members[name] = member
        self.sizes = {name: member.size for name, member in self._members.items()}

    def open(self, name: str) -> IO[bytes]:
        """Open one file."""
        file = self._tar.extractfile(self._members[name])
        assert file is not None  # it is a plain file
        return file

    def time_ns(self, name: str) -> int:
        """Return when a file was changed."""
        return int(self._members[name].mtime * 1e9)


@contextmanager
def reading(backup: Path) -> Iterator[Reader]:
    """Open a backup.

    Raises:
        ConfigError: there is none.
        Corrupted: it is no backup, or holds what no backup of ours does.
    """
    if not backup.exists():
        raise ConfigError(f"There is no backup {backup}.", "Check the path and run this again.")
    if backup.is_dir():
        yield FolderReader(backup)
        return
    try:
        with tarfile.open(backup, "r:") as tar:
            yield TarReader(backup, tar)
    except tarfile.TarError as error:
        raise _damaged(backup, f"it is not a complete tar file ({error})") from None


def require_plain(backup: Path, name: str) -> None:
    """Refuse a name that could lead out of the folder that it is unpacked to.

    Raises:
        Corrupted: it is absolute, lies too deep, or has `..`, an empty part or a NUL in it.
    """
    parts = name.split("/")
    odd = {"", ".", ".."} & set(parts) or "\0" in name or len(parts) > DEEPEST
    if odd or PurePosixPath(name).is_absolute():
        raise _damaged(backup, f"it contains a file named {name[:100]!r}")


def _damaged(backup: Path, why: str) -> Corrupted:
    return Corrupted(f"The backup {backup} can't be used: {why}.", REMEDY)
