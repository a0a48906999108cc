"""Durable file writes: a reader sees the old bytes or the new ones, never a part.

Concept: write beside the target, flush to the disk, rename. A crash leaves at most a
`*.part` file, which `reconcile` removes.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from components.digest import canonical_json

PART_SUFFIX = ".part"


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step.

    Raises:
        OSError: nothing was changed at `path`; the partial file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write `value` as canonical JSON with a closing newline."""
    write_bytes(path, (canonical_json(value) + "\n").encode("utf-8", "surrogatepass"))


def publish_file(source: Path, target: Path) -> None:
    """Copy a file of any size to `target` in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        shutil.copyfile(source, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
        _sync_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)


def publish_folder(part: Path, target: Path) -> None:
    """Rename the finished folder `part` to `target`; keep `target` where it exists already.

    Law: `target` names its content (a digest), so an existing one is the same one.
    """
    if target.exists():
        shutil.rmtree(part)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for file in part.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
    os.replace(part, target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
