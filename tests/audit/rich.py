"""A root that has everything an audit looks at, on a tiny base: built once, changed in copies."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from components.data.quarantine import read_entry
from components.files import mark_of
from components.ledger import views
from components.ledger.chain import GENESIS, event_hash, payload_text
from components.ledger.verify import rebuild
from components.operations import quarantine_release, reconciliation, rollback
from components.workspace.root import Workspace, open_workspace
from tests.stream import add_exam, batch, make_root, rows, settle, write_jsonl

ENTERING = (
    "batch.arrived", "batch.validated", "batch.refused", "version.rejected",
    "champion.rolled-back",
)  # fmt: skip
"""The events that make a quarantine entry, or change it."""

BAD_ROWS = [{"text": "", "label": "pos"}, {"text": "good nice table", "label": ""}]


def build(root: Path) -> Path:
    """Make a root with a version of each status, and an entry of each kind in quarantine."""
    outside = root.parent
    make_root(root)
    add_exam(root, batch(outside / "exam.jsonl", 900, 200))
    first = write_jsonl(outside / "first.jsonl", rows(1) + BAD_ROWS)
    assert settle(root, first).action == "promoted"
    assert settle(root, batch(outside / "second.jsonl", 2)).action == "promoted"
    turned = settle(root, batch(outside / "turned.jsonl", 3, 360, flip=True))
    assert turned.action == "rejected"
    assert settle(root, batch(outside / "few.jsonl", 4, 4)).action == "refused"
    garbled = outside / "garbled.parquet"
    garbled.write_bytes(b"PAR1 and nothing that follows from it")
    assert settle(root, garbled).action == "refused"
    assert settle(root, batch(outside / "held.jsonl", 5, 30), "other").action == "held"
    assert settle(root, batch(outside / "third.jsonl", 6)).action == "promoted"
    ws = open_workspace(root)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        reconciliation.reconcile(ws, lease)
        rollback.roll_back(ws, lease, None, "it was asked for")
        entry = read_entry(ws.quarantine, views.arrivals(ws.ledger)[0].batch)
        quarantine_release.release(ws, lease, entry)
    rewrite(root, _marked(ws))
    return root


def rewrite(root: Path, change: Callable[[str, dict[str, Any]], None]) -> None:
    """Write every event again, its payload changed, with a chain and projections that fit."""
    with closing(sqlite3.connect(root / "mlruns" / "ratchet.db")) as database, database:
        rows = database.execute("SELECT seq, time, kind, payload FROM events ORDER BY seq")
        previous = GENESIS
        for seq, time, kind, text in rows.fetchall():
            payload = json.loads(text)
            change(kind, payload)
            text = payload_text(payload)
            digest = event_hash(seq, time, kind, text, previous)
            row = "UPDATE events SET payload = ?, previous = ?, hash = ? WHERE seq = ?"
            database.execute(row, (text, previous, digest, seq))
            previous = digest
        database.execute("UPDATE head SET hash = ?", (previous,))
    (root / "mlruns" / "ledger.head").unlink(missing_ok=True)
    ledger = open_workspace(root).ledger
    rebuild(ledger)
    ledger.note_head()


def _marked(ws: Workspace) -> Callable[[str, dict[str, Any]], None]:
    """Return a change that adds the marks of raw bytes and quarantine where they are absent."""

    def change(kind: str, payload: dict[str, Any]) -> None:
        batch = views.entered(payload)
        if kind == "batch.arrived" and "raw" not in payload:
            raw = next(ws.root.glob(f"data/*/**/{batch}/raw.*"))
            name = str(raw.relative_to(ws.root))
            payload["raw"] = {"path": name, **mark_of(raw).to_json()}
        entered = {path.name: path for path in (ws.quarantine / batch).glob("*.json*")}
        entered.pop("released.jsonl", None)
        if entered and kind in ENTERING:
            marks = {name: mark_of(path).to_json() for name, path in entered.items()}
            payload.setdefault("quarantine", marks)

    return change
