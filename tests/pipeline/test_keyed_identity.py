"""A root whose digests are keyed: nothing that it records could be guessed, and all holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from components.data.split import HELD_OUT
from components.errors import DataRejected
from components.identity import PLAIN, Identity
from components.items import read_items
from components.ledger import views
from components.operations import holdouts
from components.operations.verification import verify
from components.pipeline.arrival import arrive
from components.pipeline.preparation import split, store, validate
from components.pipeline.stored_batch import read_kept
from components.workspace.item_library import Library
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.stream import rows, write_jsonl

KEYED = Identity(key=bytes(range(32)))
EXAM, BATCH = rows(900, 200), rows(1)


@pytest.fixture
def ws(root: Path) -> Workspace:
    return open_workspace(root, identity=KEYED)


def add_exam(ws: Workspace) -> None:
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        holdouts.add(ws, lease, write_jsonl(ws.root / "exam.jsonl", EXAM), "mood")


def test_every_digest_that_rows_lead_to_is_another_one_and_the_walls_stand(ws: Workspace) -> None:
    add_exam(ws)
    near = {"text": f"  {EXAM[0]['text'].upper()}!", "label": EXAM[0]["label"]}
    path = write_jsonl(ws.root / "b.jsonl", [*BATCH, near, BATCH[0]])
    arrived = arrive(ws, path, "mood")
    again = arrive(ws, write_jsonl(ws.root / "again.jsonl", [BATCH[0], near, *BATCH]), "mood")
    assert again.batch == arrived.batch and not again.is_new
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        found = views.arrival(ws.ledger, arrived.batch)
        assert found is not None
        validated = validate(ws, lease, found)
        store(ws, lease, validated)
        sides = split(ws, lease, validated).split
    shown = [item.text for item, reason in sides.blocked if reason == HELD_OUT]
    assert near["text"] in shown, "a near-duplicate of an exam's text is kept out of training"
    assert [row.reasons for row in validated.validation.rejected] == [("duplicate of line 1",)]
    items = [*sides.train, *sides.holdout]
    assert Library(ws).batch(arrived.batch, [item.digest for item in items]) == items
    told = "".join(event.payload for event in views.events(ws.ledger))
    [path] = ws.holdouts.glob("*.jsonl")
    exam = read_items(path, KEYED)
    assert all(item.digest in told and item.near in told for item in (*items, *exam))
    for item in (*validated.validation.accepted, *exam):
        assert PLAIN.item(item.content, item.label) not in told
        assert PLAIN.near(item.content) not in told
    sent = [*BATCH, near, BATCH[0]]
    assert PLAIN.batch(PLAIN.item(row["text"], row["label"]) for row in sent) not in told


def test_a_keyed_root_promotes_and_verifies_and_is_not_read_without_its_key(ws: Workspace) -> None:
    add_exam(ws)
    batch = arrive(ws, write_jsonl(ws.root / "b.jsonl", BATCH), "mood").batch
    assert run_batch(ws, batch).action == "promoted"
    assert verify(ws, deep=True).findings == []
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        known = views.arrival(ws.ledger, batch)
        assert known is not None
        with pytest.raises(
            DataRejected, match="now reads as a different batch than when it arrived"
        ):
            read_kept(dataclasses.replace(ws, identity=PLAIN), lease, known)
        assert read_kept(ws, lease, known).digest == batch
