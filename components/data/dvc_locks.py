"""Locks that DVC left behind when a process was killed.

Concept: beside its repository lock (which the system frees) DVC keeps a file of read and
write locks by process number. It writes that file in place, so a kill can leave it cut
short, and it trusts process numbers, which containers use again: both block every command.

Promise: the file is removed only where no living process stands behind it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def clear_dead_locks(folder: Path) -> None:
    """Remove the file of locks in DVC's folder for temporary files, if all holders are dead.

    A holder is dead if its process is gone or was born after the file was last written. The
    guard taken here is the lock under which DVC itself writes the file.
    """
    from dvc.lock import LockError, make_lock

    locks = folder / "rwlock"
    if not locks.exists():
        return
    try:
        with make_lock(str(folder / "rwlock.lock"), tmp_dir=str(folder)):
            if locks.exists() and not _has_living_holder(locks):
                locks.unlink()
    except LockError:
        return  # somebody is writing it at this moment, and so is alive


def _has_living_holder(locks: Path) -> bool:
    import psutil

    try:
        held = json.loads(locks.read_text(encoding="utf-8"))
        readers = [info for infos in held.get("read", {}).values() for info in infos]
        holders = {int(info["pid"]) for info in [*readers, *held.get("write", {}).values()]}
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    written = locks.stat().st_mtime
    for pid in holders:
        try:
            if psutil.Process(pid).create_time() <= written:
                return True
        except psutil.NoSuchProcess:
            continue
    return False
