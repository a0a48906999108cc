"""Store files with DVC, and detect that their second copy is missing.

Promise: if the remote folder is missing, this is reported, and it is refilled from the cache
before anything else is pushed; files that the cache lacks are counted. A remote that is not a
folder on this machine is not checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.files import mark_of
from components.ledger import views
from components.ledger.events import HoldoutDone, StoreDone
from components.workspace.root import Workspace


def store_files(ws: Workspace, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Store files by DVC, push them, read them back; return what an event says of each.

    Raises:
        Retryable: a lock stayed taken, the disk failed, or the remote did not take them.
        Corrupted: a file changed while it was added.
    """
    refill_remote(ws)
    kept = ws.store.keep([path.relative_to(ws.root) for path in paths])
    return [
        {"path": file.path, "md5": file.md5, **mark_of(ws.root / file.path).to_json()}
        for file in kept
    ]


def stored_files(ws: Workspace, batch: str) -> dict[str, str]:
    """Return path -> MD5 of what was stored of a batch, newest last."""
    found: dict[str, str] = {}
    for event in views.told(ws.ledger, StoreDone):
        if event.payload.batch == batch:
            found |= {file["path"]: file["md5"] for file in event.payload.files}
    return found


def remote_warning(ws: Workspace) -> str | None:
    """Say that the second copy of the data is gone; None where it is there, or never was."""
    if not _remote_is_gone(ws):
        return None
    return (
        f"The second copy of the data, {ws.remote}, is missing. Put it back, or run `ratchet "
        "reconcile` to copy everything in the cache there."
    )


def refill_remote(ws: Workspace) -> list[str]:
    """Fill a remote that vanished from the cache; return what was done, in words."""
    if not _remote_is_gone(ws):
        return []
    copied = ws.store.refill()
    wanted = _pushed(ws)
    lost = len(wanted - copied)
    files = "1 file" if len(wanted) - lost == 1 else f"{len(wanted) - lost} files"
    said = f"copied {files} to {ws.settings.data.remote}, which was missing"
    return [said + (f"; {lost} more have no copy left" if lost else "")]


def restore_settings(ws: Workspace) -> list[str]:
    """Write DVC's settings again where they are gone; return what was done, in words."""
    if settings_are_there(ws) or not _pushed(ws):
        return []
    ws.store.prepare()
    return ["rewrote .dvc/config, which was missing"]


def settings_are_there(ws: Workspace) -> bool:
    """Tell whether `dvc` finds a repository here."""
    return (ws.root / ".dvc" / "config").exists()


def _remote_is_gone(ws: Workspace) -> bool:
    if isinstance(ws.remote, str):
        return False
    return not (ws.remote / "files" / "md5").is_dir() and bool(_pushed(ws))


def _pushed(ws: Workspace) -> set[str]:
    """Return the MD5 of every file that was pushed and read back."""
    batches, exams = views.told(ws.ledger, StoreDone), views.told(ws.ledger, HoldoutDone)
    found = {file["md5"] for batch in batches for file in batch.payload.files}
    removed = views.removed_sources(ws.ledger)
    kept = (exam.payload for exam in exams if exam.payload.source not in removed)
    return found | {exam.stored["md5"] for exam in kept}
