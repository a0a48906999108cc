"""Kept answers decide nothing that the versions do not answer themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.evaluation import scoring
from components.ledger import views
from components.workspace.root import open_workspace
from flows.watch import look_and_go_back
from tests.audit.changes import INVERTED, forged, scores
from tests.command import ratchet
from tests.stream import batch, settle


def distrusted(root: Path) -> list[dict[str, object]]:
    events = views.events(open_workspace(root).ledger, kind="scores.distrusted")
    return [json.loads(event.payload) for event in events]


def test_with_the_champions_answers_turned_round_a_poisoned_batch_is_still_rejected(
    grown: Path,
) -> None:
    forged(grown, "")
    settled = settle(grown, batch(grown / "turned.jsonl", 3, flip=True))
    assert settled.action == "rejected"
    told = distrusted(grown)
    assert len(settled.notes) == len(told) == 2  # the champion's, and the anchor's
    assert all("were wrong" in note and "recomputed" in note for note in settled.notes)
    assert all("came out differently when recomputed" in str(event["reason"]) for event in told)
    assert ratchet(grown, "audit", "verify", "--deep").code == 0


def test_that_batch_would_be_promoted_if_no_answer_were_given_again(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "SAMPLED", 0)
    forged(grown, "")
    assert settle(grown, batch(grown / "turned.jsonl", 3, flip=True)).action == "promoted"


def test_rows_that_do_not_fit_their_digests_are_computed_anew_and_told(grown: Path) -> None:
    scores(grown, f"UPDATE scored SET label = {INVERTED}")
    assert settle(grown, batch(grown / "turned.jsonl", 3, flip=True)).action == "rejected"
    assert {event["reason"] for event in distrusted(grown)} == {
        "rows that do not match their digests"
    }


def test_where_all_holds_nothing_is_told_and_the_evidence_is_the_same(
    grown: Path, tmp_path: Path
) -> None:
    settled = settle(grown, batch(tmp_path / "b3.jsonl", 3))
    assert settled.notes == () and distrusted(grown) == []


def test_watch_does_not_go_back_for_answers_that_nobody_gave(grown: Path) -> None:
    forged(grown, "")
    watched, undone = look_and_go_back(open_workspace(grown))
    assert (watched.regressions, undone) == ((), None)
    assert distrusted(grown)
