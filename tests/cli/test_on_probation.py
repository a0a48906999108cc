"""Probation as a person meets it: what status says, the questions, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.ledger import views
from components.ledger.events import ProbationEnded
from components.operations import labelling
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.operations.test_probation import ON
from tests.pools import add_pool, inputs, lines, right_keys
from tests.server import Server
from tests.stream import make_root, rows, settle, write_jsonl


def test_from_status_by_labels_to_a_confirmed_version(
    tmp_path: Path, prefect_here: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "ASKED_TWICE", 0.0)
    root = make_root(tmp_path / "root", ON)
    assert settle(root, write_jsonl(root / "b1.jsonl", rows(1, 200))).action == "promoted"
    assert ratchet(root, "status", "--json").facts["probation"] is None
    run = ratchet(root, "run", write_jsonl(root / "b2.jsonl", rows(2, 60)), "--task", "mood")
    assert run.code == 0, run.out + run.err
    assert "promoted batch" in run.out and "Promote on probation: mood" in run.out
    add_pool(root, inputs(root / "pool.jsonl", 900, 300))
    status = ratchet(root, "status")
    assert "Version 2 is on probation until " in status.out
    assert "or 150 labels that did not admit it (0 so far)" in status.out
    assert "In force on probation so far: 1 version, of these 0 confirmed, 0 rolled back." in (
        status.out
    )
    waits = ratchet(root, "run", write_jsonl(root / "b3.jsonl", rows(3, 60)), "--task", "mood")
    assert waits.code == 3 and "Held until the probation of version 2 ends: by" in waits.out
    assert "holdout add" not in waits.out, "items would not help"
    assert "for version 2" in ratchet(root, "label", stdin="q\n").out
    keys = right_keys(root, tmp_path / "copy")
    ran = ratchet(root, "label", stdin=lines(keys))
    assert f"Version 2 is confirmed, with {len(keys)} labels that did not admit it" in ran.out
    assert "b3.jsonl" in ran.out, "what waited is run"
    found = ratchet(root, "status", "--json").facts["probation"]
    assert (found["on"], found["began"], found["confirmed"]) == (None, 1, 1)
    explained = ratchet(root, "version", "explain", "2", "--json").facts
    assert [each["what"] for each in explained["later"]] == [
        f"confirmed: {views.told(open_workspace(root).ledger, ProbationEnded)[0].payload.reason}"
    ]
    replayed = ratchet(root, "gate", "replay", "2", "--json")
    assert replayed.code == 0 and replayed.facts["action"] == "probation"
