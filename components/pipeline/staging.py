"""Copy an arriving file first, and delete the original last.

Concept: what is read and recorded is a copy that the source matched before and after it was made.
The source leaves its folder in two steps: it is renamed to a hidden name, checked once more, and
only then deleted.

Promise: no byte is deleted that is not in the copy. A source that has changed in the meantime, or
that somebody has open for writing, is moved back; one that was hidden when the process died is
moved back by the next intake.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

from components.data.finished_files import Signature, is_open_for_writing
from components.data.formats import FORMATS
from components.data.source_file import Source, too_large
from components.errors import DataRejected, Retryable
from components.files import FileMark

HIDDEN = ".leaving-"
LONGEST_NAME = 255
LONGEST_SUFFIX = 20
BLOCK_BYTES = 1 << 20


class BeingWritten(Retryable):
    """A file that somebody is still writing."""


class UnreadableSource(DataRejected):
    """A file whose bytes the system does not give, or that is too large: there is no copy."""


@dataclass(frozen=True, slots=True)
class Staged:
    """The copy of an arriving file: its mark, and the source's signature as it was made."""

    path: Path
    mark: FileMark
    source: Signature


def stage(source: Path, folder: Path, max_megabytes: int) -> Staged:
    """Copy a file into `folder`, whole and unchanged, and flush it to the disk.

    Raises:
        BeingWritten: it is open for writing, or changed meanwhile.
        UnreadableSource: it is too large, or the system does not let it be read.
        DataRejected: it is no regular file.
        FileNotFoundError: it has gone.
        OSError: the copy could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"copy-{os.getpid()}{_short_suffix(source)}"
    with _opened(source) as file:
        before = Signature.of(os.fstat(file.fileno()))
        _refuse_too_large(source, before.size, max_megabytes * 1_000_000)
        try:
            mark = _copy(source, file, target, before.size)
            unchanged = Signature.of(os.fstat(file.fileno())) == before
            if not unchanged or mark.size != before.size or is_open_for_writing(source):
                raise _being_written(source)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return Staged(target, mark, before)


def _being_written(source: Path) -> BeingWritten:
    return BeingWritten(
        f"{source} is still being written.",
        "Run the same command again when it is complete.",
    )


def _refuse_too_large(source: Path, size: int, limit: int) -> None:
    """Refuse it before it is copied: a sparse file would fill the disk."""
    if size <= limit:
        return
    if is_open_for_writing(source):
        raise _being_written(source)
    refusal = too_large(Source(source, str(source), 0, limit, 0), f"on disk ({size / 1e6:,.1f} MB)")
    raise UnreadableSource(refusal.message, refusal.remedy)


def known_suffix(name: str) -> str:
    """Return the suffix of a format that can be read, in lower case; else nothing."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in FORMATS else ""


def let_go(source: Path, staged: Staged) -> bool:
    """Delete a source that is what was copied; tell whether it was.

    Raises:
        OSError: its folder can't be changed; it is where it was.
    """
    hidden = _hidden(source)
    if hidden.exists():
        return False
    try:
        os.rename(source, hidden)
    except FileNotFoundError:
        return True
    same = Signature.of(hidden.lstat()).same_bytes(staged.source)
    if same and not is_open_for_writing(hidden):
        hidden.unlink()
        return True
    put_back(hidden)
    return False


def is_hidden_source(path: Path) -> bool:
    """Tell whether a file is a source that was out of sight when its process died."""
    return path.name.startswith(HIDDEN) and name_in_sight(path) not in ("", ".", "..")


def name_in_sight(hidden: Path) -> str:
    """Return the name that a source out of sight had."""
    return hidden.name.removeprefix(HIDDEN)


def put_back(hidden: Path) -> Path:
    """Return a source to its place; a file that has that name by now keeps it.

    Raises:
        OSError: its folder can't be changed; it is where it was.
    """
    name = Path(name_in_sight(hidden))
    for number in count(1):
        called = name.name if number == 1 else f"{name.stem}-{number}{name.suffix}"
        target = hidden.with_name(called)
        if _moved_to_free(hidden, target):
            return target
    raise AssertionError("unreachable: there is always another number")


def _moved_to_free(source: Path, target: Path) -> bool:
    """Rename, unless the name is taken."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        if target.exists():  # a disk without hard links
            return False
        os.rename(source, target)
        return True
    source.unlink()
    return True


def _hidden(source: Path) -> Path:
    """Return the name out of sight; the front of a name that gets too long is dropped."""
    name = os.fsencode(source.name)[-(LONGEST_NAME - len(HIDDEN)) :]
    return source.with_name(HIDDEN + os.fsdecode(name))


def _short_suffix(source: Path) -> str:
    return known_suffix(source.name) or source.suffix[:LONGEST_SUFFIX]


@contextmanager
def _opened(source: Path) -> Iterator[BinaryIO]:
    """Open a regular file; a pipe is never waited for."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(source, error) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a folder, not a file" if stat.S_ISDIR(mode) else "not a regular file"
        raise DataRejected(f"{source} is {kind}.", "Give a file with the rows.")
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _copy(source: Path, file: BinaryIO, target: Path, expected: int) -> FileMark:
    """Copy to the end, or until there is more than expected: a file may grow forever."""
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as copy:
        while size <= expected and (block := _read(source, file)):
            copy.write(block)
            digest.update(block)
            size += len(block)
        copy.flush()
        os.fsync(copy.fileno())
    return FileMark(digest.hexdigest(), size)


def _read(source: Path, file: BinaryIO) -> bytes:
    try:
        return file.read(BLOCK_BYTES)
    except OSError as error:
        raise _unreadable(source, error) from None


def _unreadable(source: Path, error: OSError) -> UnreadableSource:
    return UnreadableSource(
        f"{source} cannot be read: {error.strerror}.", "Check the file's permissions and its disk."
    )
