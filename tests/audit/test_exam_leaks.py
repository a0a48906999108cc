"""An exam that the champion was trained on is found, whoever let it happen."""

from __future__ import annotations

from pathlib import Path

from components.ledger import views
from components.ledger.events import HoldoutDone, VersionPromoted
from components.operations.verification import Finding, Holds, verify
from components.operations.verification.exam_leaks import check_exam_leaks
from components.operations.verification.scene import open_scene
from components.workspace.item_library import Library
from components.workspace.root import Workspace, open_workspace
from tests.stream import PARAMS, add_exam, batch, settle, write_jsonl


def found(ws: Workspace) -> list[Finding]:
    return [each for each in verify(ws).findings if "trained on" in each.what]


def trained_rows(ws: Workspace, version: views.Version) -> Path:
    """Write a file of ten rows that a version was trained on."""
    assert version.batch is not None
    digests = views.split_side(ws.ledger, version.batch, "train")[:10]
    rows = [
        {"text": item.text, "label": item.label}
        for item in Library(ws).batch(version.batch, digests)
    ]
    return write_jsonl(ws.root / "exam.jsonl", rows)


def test_rows_that_were_made_an_exam_before_their_version_was_promoted(grown: Path) -> None:
    always = f"{PARAMS}\ngate: {{approval: always}}\n"
    (grown / "params.yaml").write_text(always, encoding="utf-8")
    number = settle(grown, batch(grown / "b3.jsonl", 3)).version
    (grown / "params.yaml").write_text(PARAMS, encoding="utf-8")
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number or 0)
    assert held is not None
    add_exam(grown, trained_rows(ws, held))
    assert found(ws) == [], "a version that waits does not answer"
    assert held.parent is not None
    champion = views.version(ws.ledger, held.parent)
    assert champion is not None
    promoted = VersionPromoted(  # as `promote` did before it looked again
        version=held.version,
        batch=held.batch,
        parent=held.parent,
        anchors=champion.anchors,
        exams={"mood": "mood"},
        reason="by an older Ratchet",
    )
    with ws.ledger.lease(ws.settings.model.name, 10) as lease:
        ws.ledger.append(promoted, lease)
    [finding] = found(ws)
    assert finding.place == "exam `mood#2`"
    assert finding.what == f"version {held.version} was trained on 10 of its rows"
    assert f"ratchet rollback --to {champion.version}" in finding.remedy
    assert finding.kind == "unsafe"


def test_where_no_version_lies_before_it_the_finding_asks_for_another_exam(grown: Path) -> None:
    ws = open_workspace(grown)
    first = views.lineage(ws.ledger)[-1]
    assert first.batch is not None
    digests = views.split_side(ws.ledger, first.batch, "train")[:3]
    smuggled = HoldoutDone(
        key="holdout:x",
        name="exam.jsonl",
        exam="mood#2",
        task="mood",
        source="x",
        items=[(item.digest, item.near) for item in Library(ws).batch(first.batch, digests)],
        stored={},
    )
    scene = open_scene(ws, False)
    assert list(check_exam_leaks(scene)) == [Holds("exams never trained on", 2)]
    with ws.ledger.lease(ws.settings.model.name, 10) as lease:
        ws.ledger.append(smuggled, lease)
    finding, holds = check_exam_leaks(scene)
    assert isinstance(finding, Finding) and finding.place == "exam `mood#2`"
    assert finding.what == f"version {first.version} was trained on 3 of its rows"
    assert "ratchet holdout add" in finding.remedy
    assert holds == Holds("exams never trained on", 2)
