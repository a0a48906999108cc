"""A root from a backup, on another path or machine.

Promise: every file is verified, and the ledger with it, before the folder appears, in one step
(an empty one is filled, `params.yaml` last); a damaged backup leaves nothing. MLflow's absolute
paths are corrected.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from components.clock import Clock, system_clock
from components.errors import ConfigError, Corrupted, Retryable
from components.ledger import views
from components.ledger.ledger import Head, Ledger
from components.ledger.verify import verify
from components.operations import backup_archives
from components.operations.backup import INCOMING, LEDGER
from components.operations.backup_archives import INSIDE, REMEDY, Marked, Reader
from components.operations.backup_manifest import Left, Manifest, read_manifest
from components.registry.database import sqlite_path
from components.workspace.new_root import FOLDERS
from components.workspace.root import Progress, no_progress, open_workspace

SETTINGS = "params.yaml"
REGISTRY = "mlruns/mlflow.db"


@dataclass(frozen=True, slots=True)
class Restored:
    """A root that was restored."""

    root: str
    files: int
    champion: int | None
    head: Head
    taken: str
    not_included: list[Left]


def restore(
    backup: Path, folder: Path, clock: Clock = system_clock, progress: Progress = no_progress
) -> Restored:
    """Make the root `folder`, which is absent or empty, from a backup.

    Raises:
        ConfigError: there is no such backup, something is in `folder`, MLflow can't use its name,
            or this Ratchet can't use the settings.
        Corrupted: the backup is damaged; nothing was restored.
        Retryable: the disk is full.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty.", "Restore into a new or empty folder.")
    with backup_archives.reading(backup) as reader:
        manifest = read_manifest(backup, reader)
        _require_name(folder, manifest)
        _require_space(folder, manifest)
        with backup_archives.beside(folder) as work:
            _unpack(backup, reader, manifest, work / "root", progress)
            champion = _verify(backup, manifest, work / "root", clock)
            _require_settings(backup, manifest, work / "root")
            backup_archives.put_in_place(work / "root", folder, SETTINGS)
    _open(folder, manifest, clock)
    files, left = len(manifest.files), manifest.not_included
    return Restored(str(folder), files, champion, manifest.head, manifest.time, left)


def _require_name(folder: Path, manifest: Manifest) -> None:
    try:
        if REGISTRY in manifest.files:
            sqlite_path(f"sqlite:///{REGISTRY}", folder)
    except ConfigError as error:
        raise ConfigError(error.message, "Restore into a folder with another name.") from None


def _require_settings(backup: Path, manifest: Manifest, root: Path) -> None:
    try:
        open_workspace(root)
    except ConfigError as error:
        raise ConfigError(
            f"The backup {backup} can't be used: {error.message.replace(f'{root.resolve()}/', '')}",
            f"Restore it with Ratchet {manifest.ratchet}, which created it.",
        ) from None


def _require_space(folder: Path, manifest: Manifest) -> None:
    place = next(path for path in folder.parents if path.exists())
    free = shutil.disk_usage(place).free
    if manifest.size > free:
        raise Retryable(
            f"The root needs {manifest.size:,} bytes; {place} has {free:,}.", "Free up some space."
        )


def _unpack(
    backup: Path, reader: Reader, manifest: Manifest, root: Path, progress: Progress
) -> None:
    """Write every file and compare it with its mark."""
    root.mkdir()
    for done, (name, mark) in enumerate(sorted(manifest.files.items()), start=1):
        target = root / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with reader.open(f"{INSIDE}/{name}") as file, target.open("xb") as out:
                marked = Marked(file, name, mark.size)
                shutil.copyfileobj(marked, out, backup_archives.BLOCK_BYTES)
        except (FileExistsError, NotADirectoryError):
            raise Corrupted(f"The backup {backup} lists {name!r} twice.", REMEDY) from None
        if marked.mark() != mark:
            raise Corrupted(
                f"The backup {backup} is damaged: {name!r} does not match what was backed up.",
                REMEDY,
            )
        if name.startswith(INCOMING):  # their order is that of their times
            os.utime(target, ns=(reader.time_ns(f"{INSIDE}/{name}"),) * 2)
        progress("restoring", done, len(manifest.files))


def _verify(backup: Path, manifest: Manifest, root: Path, clock: Clock) -> int | None:
    """Prove the ledger and its place in history; return the champion."""
    missing = [name for name in (SETTINGS, LEDGER) if name not in manifest.files]
    if missing:
        raise Corrupted(f"The backup {backup} has no {missing[0]}.", REMEDY)
    ledger = Ledger(root / LEDGER, clock)
    verified = verify(ledger)
    if Head(verified.events, verified.head) != manifest.head or ledger.difference() is not None:
        raise Corrupted(f"The ledger in {backup} does not end at its recorded head.", REMEDY)
    champion = views.champion(ledger)
    return champion.version if champion else None


def _open(folder: Path, manifest: Manifest, clock: Clock) -> None:
    """Make the folders that were empty; let MLflow's database know where it is now."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    ws = open_workspace(folder, clock)
    if REGISTRY in manifest.files:
        _ = ws.registry
