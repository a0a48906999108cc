"""What an exported folder says of itself: which version it holds, and which files are Ratchet's.

Concept: `ratchet.json` lists every other file of the folder with its mark. By it a later export
knows what the folder holds, and that all in it may be replaced.

Promise: nothing is replaced but a folder in which every file was written by an export. It is
replaced in one step: who opens it finds the old model or the new one.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from components.errors import ConfigError
from components.files import FileMark, mark_of, publish_folder, write_bytes

NAME = "ratchet.json"
_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What a folder holds.

    `root`: the name of the root's folder, without its place. `exported`: when, in UTC. `status`:
    the version's, at that time. `difference`: the largest of a probability from the version's own,
    over `texts` texts. `files`: name -> SHA-256 and size of every file but `ratchet.json`.
    """

    model: str
    version: int
    bundle: str
    root: str
    exported: str
    status: str
    texts: int
    difference: float
    files: Mapping[str, FileMark]

    def __str__(self) -> str:
        when = f"{self.exported[:10]} {self.exported[11:16]} UTC"
        return f"version {self.version} of {self.model}, exported from {self.root} on {when}"


def write(folder: Path, holds: Holds) -> None:
    """List the files of a finished folder in its `ratchet.json`."""
    files = {name: mark_of(folder / name) for name in sorted(_names(folder))}
    told = json.dumps(asdict(replace(holds, files=files)), indent=2, ensure_ascii=False)
    write_bytes(folder / NAME, (told + "\n").encode("utf-8", "surrogatepass"))


def read(folder: Path) -> Holds:
    """Return what a folder says that it holds.

    Raises:
        ConfigError: it was not written by an export, or something else lies in it as well.
    """
    try:
        told = json.loads((folder / NAME).read_bytes())
        marks = {name: FileMark(**mark) for name, mark in told["files"].items()}
        holds = Holds(**{**told, "files": marks})
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        raise ConfigError(
            f"{folder} exists already, and is not a folder that `ratchet export` wrote.",
            "Name a new folder.",
        ) from None
    if strange := sorted(_names(folder) - {NAME} - holds.files.keys()):
        raise ConfigError(
            f"{folder} holds {holds}, and {strange[0]!r}, which is not Ratchet's.",
            "Move it away, or name a new folder.",
        )
    return holds


def damaged(folder: Path, holds: Holds) -> str | None:
    """Return the name of a file that is missing or was changed since; None where there is none."""
    for name, mark in holds.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file() or mark_of(path) != mark:
            return name
    return None


def publish(part: Path, folder: Path) -> None:
    """Let the finished folder `part` be `folder`, in place of one that is there."""
    if not folder.exists():
        publish_folder(part, folder)
        return
    exchange(part, folder)
    shutil.rmtree(part)


def exchange(one: Path, other: Path) -> None:
    """Exchange two folders beside each other, in one step where the system can.

    Where it can't, `other` is away for the moment between two renames.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0
    except (AttributeError, OSError):  # no such call: not Linux, or an old one
        done = False
    if not done:
        aside = one.with_name(f"{one.name}.before")
        os.replace(other, aside)
        os.replace(one, other)
        os.replace(aside, one)


def _names(folder: Path) -> set[str]:
    """Return the names of all that lies in a folder and below, folders left out."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in found}
