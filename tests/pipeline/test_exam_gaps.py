"""Labels that were learned and that an exam has no item of."""

from __future__ import annotations

from pathlib import Path

from components.ledger import views
from components.pipeline.exam_gaps import labels_lacking
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.stream import add_exam, rows, write_jsonl


def test_a_label_that_an_exam_has_no_item_of_is_named(grown: Path) -> None:
    """Fault: `enough` was said of an exam without one item of a label that was learned."""
    alone = [row for row in rows(901, 700) if row["label"] == "pos"]
    add_exam(grown, write_jsonl(grown / "pos.jsonl", alone))
    ws = open_workspace(grown)
    found = labels_lacking(ws, views.exams(ws.ledger, ws.settings.holdout.max_items))
    [gap] = [exam for exam, labels in found.items() if labels]
    assert found.pop(gap) == ["neg"] and set(map(tuple, found.values())) == {()}
    ran = ratchet(grown, "gate", "plan")
    assert f"{gap} has no item of neg: nothing there shows" in ran.out
    assert "  ratchet holdout add FILE --task mood --fill" in ran.out
