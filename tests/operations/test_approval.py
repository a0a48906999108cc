"""A person's word on a held version: what it does, and what it cannot do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.ledger import views
from components.ledger.events import ApprovalGiven, LabelGiven
from components.operations import approval, labelling
from components.operations.explanation import explain
from components.pipeline.decision_now import decide_now
from components.workspace.root import Workspace, open_workspace
from flows.steps import leased
from tests.command import ratchet
from tests.operations.test_labelling import move_champion, status
from tests.pools import add_pool, asked
from tests.stream import PARAMS, batch, settle, write_jsonl

NOBODY = approval.Speaker()


def words(ws: Workspace) -> list[tuple[str, bool]]:
    """Return what people said, and whether it counted."""
    told = [event.payload for event in views.told(ws.ledger, ApprovalGiven)]
    return [(said.word, said.refused is None) for said in told]


def always(root: Path) -> Path:
    """Let every promotion wait for a person."""
    text = f"{PARAMS}\ngate: {{approval: always}}\n"
    (root / "params.yaml").write_text(text, encoding="utf-8")
    return root


def test_what_can_not_be_told_comes_into_force_on_a_persons_word(waiting: Path) -> None:
    ws = open_workspace(waiting)
    shown = ratchet(waiting, "status").out
    assert "ratchet approve 2 --reason WHY" in shown
    done = ratchet(waiting, "approve", "2", "--reason", "read forty of them")
    assert done.code == 0 and "promoted" in done.out
    champion = views.champion(ws.ledger)
    assert champion is not None and (champion.version, status(ws)) == (2, "champion")
    assert views.pointer_history(ws.ledger)[-1].reason.startswith("approved by ")
    [later] = explain(ws, 2)["later"]
    assert later["what"].startswith("approve by ") and "read forty" in later["what"]
    assert [v.tags["ratchet.status"] for v in ws.registry.versions() if v.version == 2] == [
        "champion"
    ]


def test_what_is_held_for_approval_names_the_command_and_is_approved(grown: Path) -> None:
    held = settle(always(grown), batch(grown / "b3.jsonl", 3))
    assert held.action == "held" and any("ratchet approve 3" in way for way in held.settle)
    ws = open_workspace(grown)
    with leased(ws) as lease:
        assert approval.say(ws, lease, 3, "approve", "fine", NOBODY) == "promoted"
        with pytest.raises(ConfigError, match="version 3: it is champion: nobody is asked"):
            approval.say(ws, lease, 3, "approve", "fine", NOBODY)
        with pytest.raises(ConfigError, match="There is no version 9"):
            approval.say(ws, lease, 9, "reject", "why", NOBODY)
    assert words(ws) == [("approve", True), ("approve", False)]


def test_a_rejection_counts_whatever_the_gate_found(grown: Path) -> None:
    held = settle(always(grown), batch(grown / "b3.jsonl", 3))
    done = ratchet(grown, "reject", "3", "--reason", "wrong source", "--json")
    assert done.code == 0 and json.loads(done.out)["action"] == "rejected"
    ws = open_workspace(grown)
    arrival = views.arrival(ws.ledger, held.batch)
    assert arrival is not None and arrival.status == "rejected"
    assert arrival.reason == "Rejected by a person: wrong source"
    assert ratchet(grown, "approve", "3", "--reason", "after all").code == 2
    released = ratchet(grown, "quarantine", "release", held.batch[:12])
    assert released.code == 0, released.err


def test_a_person_may_not_waive_what_labels_have_shown_since(waiting: Path) -> None:
    """Law 6, for the evidence as it is now: every answer says that the champion was right."""
    ws = open_workspace(waiting)
    [version] = views.versions(ws.ledger, status="held")
    said = {
        each["item"]: each["champion"]
        for pool in ws.read_document(version.evidence)["pools"]
        for each in pool["differing"]
    }
    for question in asked(waiting):
        labelling.answer(ws, question, "label", said[question.item])
    done = ratchet(waiting, "approve", "2", "--reason", "trust me")
    assert done.code == 2 and "what failed or is missing can't be approved" in done.err
    assert status(ws) == "held" and words(ws) == [("approve", False)]
    assert "not counted: what failed" in explain(ws, 2)["later"][0]["what"]


def test_an_approval_of_other_evidence_does_not_count(waiting: Path) -> None:
    ws = open_workspace(waiting)
    [version] = views.versions(ws.ledger, status="held")
    done = ratchet(waiting, "approve", "2", "--reason", "ok", "--evidence", "0000")
    assert done.code == 2 and "its evidence is" in done.err
    seen = version.evidence[:8]
    assert ratchet(waiting, "approve", "2", "--reason", "ok", "--evidence", seen).code == 0
    assert words(ws) == [("approve", False), ("approve", True)]


def test_an_approval_after_the_champion_moved_trains_the_batch_again(waiting: Path) -> None:
    """Law 2: only the champion's own candidates follow it."""
    move_champion(waiting)
    done = ratchet(waiting, "approve", "2", "--reason", "ok")
    assert done.code == 3 and "ratchet intake" in done.out
    ws = open_workspace(waiting)
    assert status(ws) == "superseded" and len(views.waiting(ws.ledger)) == 1


def test_what_failed_is_not_approved_as_another_version_of_the_same_model(waiting: Path) -> None:
    """Fault: one more input of the pool made another look, at less of alpha, where it was open."""
    ws = open_workspace(waiting)
    [version] = views.versions(ws.ledger, status="held")
    document = ws.read_document(version.evidence)
    differing = {each["item"]: each for pool in document["pools"] for each in pool["differing"]}
    given = {}
    while questions := asked(waiting):
        for question in questions:
            label = differing[question.item]["champion"]
            given[question.item] = labelling.answer(ws, question, "label", label)
    assert decide_now(ws, document).decision.action == "reject"
    event = {each.seq: each.payload for each in views.told(ws.ledger, LabelGiven)}
    for item, number in given.items():  # as little lost as is still shown
        labelling.withdraw(ws, number)
        better = ws.ledger.append(replace(event[number], label=differing[item]["candidate"]), None)
        if decide_now(ws, document).decision.action != "reject":
            labelling.withdraw(ws, better.seq)
            ws.ledger.append(event[number], None)
    assert ratchet(waiting, "intake").code == 0
    assert views.versions(ws.ledger)[-1].status == "rejected"
    more = [{"text": "good good bad table chair gamma epsilon"}]
    add_pool(waiting, write_jsonl(waiting / "one.jsonl", more))
    assert ratchet(waiting, "quarantine", "release", version.batch or "").code == 0
    assert ratchet(waiting, "intake").code == 0
    newest = views.versions(ws.ledger)[-1]
    assert newest.status == "held", "at another look it is open"
    done = ratchet(waiting, "approve", str(newest.version), "--reason", "trust me")
    assert done.code == 2 and "is the same model" in done.err, done.err
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == 1
