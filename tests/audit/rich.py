"""A root that has everything an audit looks at, on a tiny base: built once, changed in copies."""

from __future__ import annotations

from pathlib import Path

from components.data.quarantine import read_entry
from components.ledger import views
from components.pipeline import reconciliation, release, rollback
from components.pipeline.workspace import open_workspace
from tests.stream import add_exam, batch, make_root, rows, settle, write_jsonl

BAD_ROWS = [{"text": "", "label": "pos"}, {"text": "good nice table", "label": ""}]


def build(root: Path) -> Path:
    """Make a root with a version of each status, and an entry of each kind in quarantine."""
    outside = root.parent
    make_root(root)
    add_exam(root, batch(outside / "exam.jsonl", 900, 200))
    first = write_jsonl(outside / "first.jsonl", rows(1) + BAD_ROWS)
    assert settle(root, first).action == "promoted"
    assert settle(root, batch(outside / "second.jsonl", 2)).action == "promoted"
    turned = settle(root, batch(outside / "turned.jsonl", 3, flip=True))
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
        release.release(ws, lease, entry)
    return root
