"""Rewrite the description of a quarantined batch (`about.json`) from the ledger's events.

Concept: everything in it is also in an event, or is counted from the rows next to it.

Promise: where the event carries a mark, only the same bytes are written; the old file goes to
`data/damaged`. An entry that cannot be rewritten is left as it is and reported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.data.quarantine import (
    ABOUT,
    drop_prepared,
    marks,
    prepare_again,
    prepare_batch,
    publish,
    read_entry,
    unpublished,
)
from components.errors import RatchetError
from components.files import mark_of
from components.ledger import views
from components.ledger.events import payload_of
from components.workspace.batch_files import keep_aside, raw_path, unread_path
from components.workspace.root import Workspace

REASONS = {
    "batch.arrived": "refused",
    "batch.validated": None,
    "batch.refused": "reason",
    "version.rejected": "reason",
    "champion.rolled-back": "reason",
}
"""The events that make an entry, and where they say why; None: its rows do."""


def restore_entries(ws: Workspace) -> list[str]:
    """Write every missing or damaged `about.json` again; return what was done, in words."""
    done = []
    with ws.arrivals_locked():
        unfinished = set(unpublished(ws.quarantine))
        for batch, (kind, payload) in sorted(_made_by(ws).items()):
            mark = payload.get("quarantine", {}).get(ABOUT)
            if batch not in unfinished and not _is_sound(ws, batch, mark):
                done.append(_restore(ws, batch, kind, payload, mark))
    return done


def _made_by(ws: Workspace) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the newest event that made each entry: batch -> (kind, payload)."""
    entered = {row.batch for row in views.quarantined(ws.ledger)}
    found = {}
    for event in views.events(ws.ledger) if entered else ():
        if event.kind not in REASONS:
            continue
        payload = payload_of(event)
        batch = views.entered(payload)
        if batch in entered and (payload.get("rejected") or _reason(event.kind, payload)):
            found[batch] = (event.kind, payload)
    return found


def _is_sound(ws: Workspace, batch: str, mark: dict[str, Any] | None) -> bool:
    about = ws.quarantine / batch / ABOUT
    if not about.is_file() or about.is_symlink():
        return False
    if mark is not None:
        return mark_of(about).to_json() == mark
    try:
        read_entry(ws.quarantine, batch)
    except RatchetError:
        return False
    return True


def _restore(
    ws: Workspace, batch: str, kind: str, payload: dict[str, Any], mark: dict[str, Any] | None
) -> str:
    about = ws.quarantine / batch / ABOUT
    try:
        _prepare(ws, batch, kind, payload)
        made = marks(ws.quarantine, batch).get(ABOUT)
        if batch not in unpublished(ws.quarantine) or mark not in (None, made):
            return _left(about)
        aside = keep_aside(ws, about, batch) if about.is_file() else None
        publish(ws.quarantine, batch)
    except (RatchetError, OSError):
        return _left(about)
    finally:
        drop_prepared(ws.quarantine, batch)
    said = f"rewrote the description of quarantined batch {batch[:12]}"
    return said + (f"; the old file is now {aside.relative_to(ws.root)}" if aside else "")


def _prepare(ws: Workspace, batch: str, kind: str, payload: dict[str, Any]) -> None:
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # an entry's batch arrived
    reason = _reason(kind, payload)
    if reason is None:
        prepare_again(ws.quarantine, batch, arrival.source)
        return
    unread = unread_path(ws, batch, arrival.suffix)
    stored = unread if unread.exists() else raw_path(ws, batch, arrival.suffix)
    place = str(stored.relative_to(ws.root))
    prepare_batch(ws.quarantine, batch, arrival.source, reason, place)


def _reason(kind: str, payload: dict[str, Any]) -> str | None:
    field = REASONS[kind]
    said = None if field is None else payload.get(field)
    return f"Rolled back: {said}" if said and kind == "champion.rolled-back" else said


def _left(about: Path) -> str:
    return f"not changed: {about} is damaged or missing; restore it from a backup"
