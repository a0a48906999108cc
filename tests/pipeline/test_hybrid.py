"""Under `hybrid` the gate has a say in whether the adapter learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from components.gate.decision import judge
from components.gate.verdicts import Outcome
from components.ledger import views
from components.ledger.events import CandidateExamined
from components.model.bundle import open_bundle
from components.workspace.root import open_workspace
from tests.stream import PARAMS, add_exam, make_root, rows, settle, write_jsonl

HYBRID = PARAMS.replace(
    "strategy: {method: replay, update_share: 1.0, replay_ratio: 1.0, distillation: 0.0}",
    "strategy: {method: hybrid, size: 64, enough_percent: 0.0}",
)


def test_a_head_that_fails_alone_is_examined_again_with_its_adapter(tmp_path: Path) -> None:
    root, calls = make_root(tmp_path / "root", HYBRID), []
    add_exam(root, write_jsonl(root / "sent" / "exam.jsonl", rows(99, 1200)))
    first = settle(root, write_jsonl(root / "sent" / "0.jsonl", rows(0, 200)))
    assert first.action == "promoted", first.headline

    def fails_at_first(*given: Any) -> Any:
        found = judge(*given)
        calls.append(found.action)
        if len(calls) > 1:
            return found
        failed = replace(found.verdicts[0], outcome=Outcome.FAIL, consequence="reject")
        return replace(found, action="reject", verdicts=[failed, *found.verdicts[1:]])

    with patch("components.pipeline.examination.judge", fails_at_first):
        settled = settle(root, write_jsonl(root / "sent" / "1.jsonl", rows(1, 200)))
    ws = open_workspace(root)
    examined = [
        e for e in views.told(ws.ledger, CandidateExamined) if e.payload.batch == settled.batch
    ]
    steps = [
        open_bundle(ws.bundles, each.payload.bundle).state["trained"]["steps"] for each in examined
    ]
    assert len(calls) == 2 and steps[0] == 0 and steps[1] > 0
    version = views.version(ws.ledger, settled.version or 0)
    assert version is not None and version.bundle == examined[1].payload.bundle
    assert [each.version for each in views.versions(ws.ledger, batch=settled.batch)] == [2]


def test_a_head_that_is_enough_costs_no_descent(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", HYBRID)
    add_exam(root, write_jsonl(root / "sent" / "exam.jsonl", rows(99, 1200)))
    settled = settle(root, write_jsonl(root / "sent" / "0.jsonl", rows(0, 200)))
    ws = open_workspace(root)
    version = views.version(ws.ledger, settled.version or 0)
    assert version is not None
    assert open_bundle(ws.bundles, version.bundle).state["trained"]["steps"] == 0
