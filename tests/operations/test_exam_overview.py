"""`ratchet exam list`: what each exam decides, and whom it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.operations.exam_overview import Listed, overview
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.stream import add_exam, batch, settle


def listed(root: Path) -> dict[str, Listed]:
    return {each.record.exam: each for each in overview(open_workspace(root))}


def test_an_exam_that_decides_nothing_stopped_nobody(grown: Path) -> None:
    """Fault: `mood#batches` had "refused" each promoted version, for want of items."""
    found = listed(grown)
    assert found["mood#batches"].decides == "nothing"
    assert found["mood#batches"].record.turned_away == 1, "what it is charged for is another thing"
    assert {name: each.stopped for name, each in found.items()} == {"mood": 0, "mood#batches": 0}


def test_what_an_exam_rejects_is_counted(grown: Path) -> None:
    """Fault: a FAIL costs the exam nothing, so it was not counted as refused."""
    add_exam(grown, batch(grown / "e.jsonl", 950, 400))
    assert settle(grown, batch(grown / "b3.jsonl", 3, flip=True)).action == "rejected"
    assert settle(grown, batch(grown / "b4.jsonl", 4)).action in ("promoted", "held")
    found = listed(grown)
    assert (found["mood#2"].decides, found["mood#2"].stopped) == ("every batch", 1)
    shown = ratchet(grown, "exam", "list")
    assert "stopped" in shown.out and "refused" not in shown.out
    assert shown.out.endswith("next: ratchet gate plan (how many items each of them should have)\n")
    assert "unconfirmed" not in shown.out, "no batch is held, so the column says nothing"
    [told] = [e for e in ratchet(grown, "exam", "list", "--json").facts if e["exam"] == "mood#2"]
    assert (told["stopped"], told["turned_away"], told["unconfirmed"]) == (1, 0, 0)


@pytest.mark.parametrize("retired", [False, True])
def test_whom_it_stopped_stays_with_an_exam_that_is_renamed_or_retired(
    grown: Path, retired: bool
) -> None:
    add_exam(grown, batch(grown / "e.jsonl", 950, 400))
    settle(grown, batch(grown / "b3.jsonl", 3, flip=True))
    assert ratchet(grown, "task", "rename", "mood", "tone", "--reason", "better").code == 0
    if retired:
        assert ratchet(grown, "exam", "retire", "tone#2", "--reason", "old").code == 0
    found = listed(grown)
    assert (found["tone#2"].stopped, found["tone#2"].decides == "retired") == (1, retired)
