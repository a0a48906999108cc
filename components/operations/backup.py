"""A backup: one consistent copy of a root, taken while a worker may be running.

Concept: the caller holds the model's lease and arrivals are locked, so the worker pauses between
two batches. Databases go through SQLite's own backup, everything else is copied.

Promise: the manifest is written last and the target appears in one step. Nothing outside the
root is read; what the root needs from there is named in the manifest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from components.digest import bytes_digest, file_digest
from components.errors import ConfigError, Retryable
from components.files import PART_SUFFIX, FileMark, files_below, write_bytes
from components.ledger import views
from components.ledger.ledger import Head, Ledger
from components.operations.backup_archives import DEEPEST, INSIDE, MANIFEST, Writer, writing
from components.operations.backup_manifest import Left, Manifest, ratchet_version
from components.registry.database import sqlite_path
from components.workspace.root import Workspace

LEDGER = "mlruns/ratchet.db"
FOLDERS = (
    "data",
    ".dvc/cache/files",
    *(f"mlruns/{name}" for name in ("artifacts", "bundles", "documents", "reports")),
)
INCOMING = ("data/incoming/", "data/pool/")
LOOSE = (*INCOMING, *(f"data/{name}/" for name in ("unreadable", "unknown", "damaged")))
"""What nothing in the ledger needs: what can't be read there is named, and stops no backup."""

FILES = ("params.yaml", ".dvcignore", ".dvc/config", ".dvc/.gitignore")

NO_FILE = "it is a link out of the root, or not a regular file"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that was taken. `digest` is the manifest's: noted elsewhere, it proves it."""

    place: str
    files: int
    bytes: int
    digest: str
    head: Head
    champion: int | None
    not_included: list[Left]


@dataclass(frozen=True, slots=True)
class _Plan:
    """Files by their name in the root, the databases among them, and what stays out."""

    files: dict[str, Path]
    databases: dict[str, Path]
    left: list[Left]


def back_up(ws: Workspace, target: Path) -> BackedUp:
    """Copy a root to `target`, a folder or a `.tar`; the caller holds the model's lease.

    Raises:
        ConfigError: something is at `target`, it lies in the root, or a folder of the root is a
            link that leads out of it.
        Retryable: a file changed while it was copied, a folder can't be listed, or the disk is
            full.
    """
    target = target.absolute()
    if target.resolve().is_relative_to(ws.root.resolve()):
        raise ConfigError(
            f"{target} is inside the root that is being backed up.",
            "Choose a folder outside the root.",
        )
    with ws.arrivals_locked(), writing(target) as (writer, scratch):
        manifest = _copy(ws, writer, scratch, _plan(ws))
        text = manifest.text()
        write_bytes(scratch / MANIFEST, text)
        writer.add(MANIFEST, scratch / MANIFEST)
    return BackedUp(
        str(target),
        len(manifest.files),
        manifest.size,
        bytes_digest(text),
        manifest.head,
        manifest.champion,
        manifest.not_included,
    )


def _copy(ws: Workspace, writer: Writer, scratch: Path, plan: _Plan) -> Manifest:
    head = _copy_databases(ws, scratch, plan)
    marks: dict[str, FileMark] = {}
    for done, (name, path) in enumerate(sorted(plan.files.items()), start=1):
        if name in plan.databases:
            path = scratch / name
        try:
            marks[name] = writer.add(f"{INSIDE}/{name}", path)
        except FileNotFoundError:
            if not name.startswith(INCOMING):
                raise
            # whoever put it there took it away again
        ws.progress("copying", done, len(plan.files))
    champion = views.champion(ws.ledger)
    return Manifest(
        ratchet=ratchet_version(),
        time=ws.clock().isoformat(),
        model=ws.settings.model.name,
        head=head,
        champion=champion.version if champion else None,
        files=marks,
        not_included=plan.left,
    )


def _copy_databases(ws: Workspace, scratch: Path, plan: _Plan) -> Head:
    """Copy every database, and note the head of the copied ledger, which nobody leases."""
    for name, path in plan.databases.items():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        _copy_database(path, scratch / name)
    ledger = Ledger(scratch / LEDGER, ws.clock)
    ledger.free_leases()
    ledger.note_head()
    note = "mlruns/ledger.head"
    if (scratch / note).exists():
        plan.files[note] = scratch / note
    return ledger.head()


def _copy_database(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        raise Retryable(
            f"{source} could not be copied: {error}.", "Check the disk, then run this again."
        ) from None


def _plan(ws: Workspace) -> _Plan:
    left: list[Left] = []
    databases = {
        name: ws.root / name
        for name in (LEDGER, *_registry(ws, left), "mlruns/scores.db")
        if (ws.root / name).is_file()
    }
    folders = [*FOLDERS, *_remote(ws, left), *_base(ws, left)]
    files = {name: ws.root / name for name in (*FILES, *_cases(ws, left))}
    found = {name: path for name, path in files.items() if path.is_file()} | databases
    for folder in folders:
        found |= dict(_walk(ws.root, folder, left))
    if (ws.root / ".dvc" / "config.local").exists():
        left.append(Left(".dvc/config.local", "it may contain passwords"))
    return _Plan(found, databases, left)


def _walk(root: Path, name: str, left: list[Left]) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder by name; links are followed as far as the root goes."""
    top, whole = root / name, root.resolve()
    if not top.resolve().is_relative_to(whole):
        raise ConfigError(
            f"{top} is a link out of the root; backups do not follow links.",
            "Replace the link with the files, or back them up separately.",
        )
    for path, why in files_below(top, DEEPEST // 2) if top.is_dir() else ():
        known = path.relative_to(root).as_posix()
        if known.endswith(PART_SUFFIX) and why is None:
            if known.startswith(INCOMING):
                left.append(Left(known, "it is still being written"))
            continue
        is_loose = f"{known}/".startswith(LOOSE)
        why = why or _why_left(path, whole, is_loose)
        if why is None:
            yield known, path
        elif why == NO_FILE or is_loose:
            left.append(Left(known, why))
        else:
            raise Retryable(f"{path}: {why}.", "Check the permissions, then run this again.")


def _why_left(path: Path, whole: Path, is_loose: bool) -> str | None:
    """Say why a file can't be copied; a loose one is read for it, to its last byte."""
    try:
        if not (path.is_file() and path.resolve().is_relative_to(whole)):
            return NO_FILE
        if is_loose:
            file_digest(path)
    except FileNotFoundError:
        return None  # taken away meanwhile
    except OSError as error:
        return f"it can't be read: {error.strerror}"
    return None


def _remote(ws: Workspace, left: list[Left]) -> list[str]:
    """Return DVC's remote where it lies in the root and is in no other folder of the list."""
    inside = _inside(ws, ws.remote) if isinstance(ws.remote, Path) else None
    if inside is not None:
        return [] if inside.startswith("data/") else [inside]
    left.append(Left(f"DVC's remote {ws.remote}", "it is outside the root"))
    return []


def _base(ws: Workspace, left: list[Left]) -> list[str]:
    """Return the base model's folder where it lies in the root."""
    name = ws.settings.model.base
    folder = ws.root / name
    inside = _inside(ws, folder) if folder.is_dir() else None
    if inside is not None:
        return [inside]
    left.append(Left(f"the base model {name}", "it is outside the root", _base_digest(ws)))
    return []


def _base_digest(ws: Workspace) -> str | None:
    from components.model.bundle import open_bundle

    champion = views.champion(ws.ledger)
    if champion is None:
        return ws.settings.model.base_digest
    return str(open_bundle(ws.bundles, champion.bundle).state["base"]["digest"])


def _cases(ws: Workspace, left: list[Left]) -> list[str]:
    """Return the file of behaviour cases where it lies in the root."""
    name = ws.settings.gate.checks.behaviour.file
    if name is None:
        return []
    path = ws.root / name
    inside = _inside(ws, path)
    if inside is None:
        digest = file_digest(path) if path.is_file() else None
        left.append(Left(f"the behaviour cases {path}", "they are outside the root", digest))
    return [] if inside is None else [inside]


def _registry(ws: Workspace, left: list[Left]) -> list[str]:
    """Return MLflow's database where it lies in the root."""
    given = ws.settings.registry.tracking_uri
    path = sqlite_path(given, ws.root) if given else ws.mlruns / "mlflow.db"
    inside = None if path is None else _inside(ws, path)
    if inside is None:
        left.append(Left(f"MLflow at {given}", "it is outside the root"))
    return [] if inside is None else [inside]


def _inside(ws: Workspace, path: Path) -> str | None:
    """Return a path's name in the root; None outside of it."""
    whole = ws.root.resolve()
    found = path.resolve()
    return found.relative_to(whole).as_posix() if found.is_relative_to(whole) else None
