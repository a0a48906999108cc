"""Damage after the arrival: what was stored is restored or goes aside, and the queue goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from components.data import quarantine
from components.files import mark_of
from components.ledger import views
from components.ledger.events import Payload, RegistrationBegun, TrainingBegun
from components.operations import holdouts
from components.operations.quarantine_release import find_entry, release
from components.operations.reconciliation import reconcile
from components.pipeline import arrival
from components.workspace.batch_files import raw_path
from components.workspace.root import Workspace, open_workspace
from components.workspace.stored_files import remote_warning
from flows.retrain import run_batch
from tests.stream import PARAMS, add_exam, batch, rows, settle, write_jsonl


@pytest.fixture
def strict(root: Path) -> Workspace:
    """A root that refuses small batches, so that a batch is through without being trained on."""
    (root / "params.yaml").write_text(PARAMS.replace("min_rows: 10", "min_rows: 500"))
    return open_workspace(root)


def queue(ws: Workspace, seed: int) -> str:
    return arrival.arrive(ws, batch(ws.root / f"b{seed}.jsonl", seed, 30), "mood").batch


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_batch_that_was_damaged_before_it_was_stored_goes_aside(
    strict: Workspace, damage: str
) -> None:
    first, second = queue(strict, 1), queue(strict, 2)
    path = raw_path(strict, first, ".jsonl")
    good = path.read_bytes()
    path.write_bytes(good[:200]) if damage == "cut" else path.unlink()
    settled = run_batch(strict, first)
    assert settled.action == "refused"
    assert str(path) in settled.headline and "quarantine release" in settled.headline
    assert [each.batch for each in views.waiting(strict.ledger)] == [second]
    if damage == "cut":
        assert path.read_bytes() == good[:200], "the damaged bytes are kept"
    path.write_bytes(good)
    with strict.ledger.lease("tiny", 10) as lease:
        release(strict, lease, find_entry(strict, first))
    assert "min_rows" in run_batch(strict, first).headline, "it was read again"


def test_a_damaged_batch_that_dvc_has_is_restored_and_the_damage_is_kept(
    strict: Workspace,
) -> None:
    first = queue(strict, 1)
    assert "min_rows" in run_batch(strict, first).headline
    path = raw_path(strict, first, ".jsonl")
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(b"{}\n")
    with strict.ledger.lease("tiny", 10) as lease:
        release(strict, lease, find_entry(strict, first))
    assert "min_rows" in run_batch(strict, first).headline
    assert path.read_bytes() == good
    [event] = views.events(strict.ledger, kind="batch.restored", batch=first)
    assert (strict.root / json.loads(event.payload)["damaged"]).read_bytes() == b"{}\n"


def test_a_batch_that_other_columns_read_as_another_one_goes_aside(strict: Workspace) -> None:
    file = write_jsonl(strict.root / "b.jsonl", [{**row, "words": "x y"} for row in rows(1)])
    first = arrival.arrive(strict, file, "mood").batch
    params = PARAMS.replace("min_rows: 10", "min_rows: 10, text_column: words")
    (strict.root / "params.yaml").write_text(params)
    settled = run_batch(open_workspace(strict.root), first)
    assert settled.action == "refused" and "data.text_column" in settled.headline


def test_a_refused_batch_is_stored_once_with_marks_before_the_refusal(strict: Workspace) -> None:
    first = queue(strict, 1)
    run_batch(strict, first)
    with strict.ledger.lease("tiny", 10) as lease:
        release(strict, lease, find_entry(strict, first))
    run_batch(strict, first)
    kinds = [
        event.kind
        for event in views.events(strict.ledger)
        if event.kind in ("store.done", "batch.refused")
    ]
    assert kinds == ["store.done", "batch.refused", "batch.refused"]
    refused = views.events(strict.ledger, kind="batch.refused", batch=first)[-1]
    about = quarantine.read_entry(strict.quarantine, first).folder / "about.json"
    assert json.loads(refused.payload)["quarantine"]["about.json"] == mark_of(about).to_json()


def test_rows_of_a_slip_in_a_csv_file_are_released_under_the_task_they_are_for(
    strict: Workspace,
) -> None:
    (strict.root / "params.yaml").write_text(
        PARAMS.replace("min_rows: 10", "min_rows: 10, tasks: [mood], max_bad_share: 0.6")
    )
    ws = open_workspace(strict.root)
    tasks = ["modo"] * 20 + ["mood"] * 40
    lines = [
        f"{row['text']},{row['label']},{task}" for row, task in zip(rows(1, 60), tasks, strict=True)
    ]
    (ws.root / "b.csv").write_text("\n".join(["text,label,task", *lines]) + "\n")
    first = settle(ws.root, ws.root / "b.csv")
    with ws.ledger.lease("tiny", 10) as lease:
        released = release(ws, lease, find_entry(ws, first.batch), "mood")
    assert released.rows == 20 and raw_path(ws, released.batch, ".jsonl").exists()
    run_batch(ws, released.batch)
    validated = views.events(ws.ledger, kind="batch.validated", batch=released.batch)[-1]
    assert json.loads(validated.payload)["accepted"] == 20


def test_an_exam_killed_before_its_outcome_is_finished_by_reconcile(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = open_workspace(root)
    break_off(ws, monkeypatch, "store_files")
    with ws.ledger.lease("tiny", 10) as lease:
        done = reconcile(ws, lease)
    assert any("held out 40 items for mood" in each for each in done)
    assert len(views.held_items(ws.ledger)) == 40 and not views.open_keys(ws.ledger)


def test_an_exam_killed_before_its_items_were_written_is_closed_and_can_be_brought_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = open_workspace(root)
    break_off(ws, monkeypatch, "write_items")
    with ws.ledger.lease("tiny", 10) as lease:
        done = reconcile(ws, lease)
    assert any("add the file again" in each for each in done)
    assert not views.held_items(ws.ledger) and not views.open_keys(ws.ledger)
    assert add_exam(root, root / "exam.jsonl").items == 40


def break_off(ws: Workspace, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(holdouts, where, killed)
    with pytest.raises(KeyboardInterrupt):
        add_exam(ws.root, batch(ws.root / "exam.jsonl", 900, 40))
    monkeypatch.undo()
    assert len(views.open_keys(ws.ledger)) == 1


def test_a_remote_that_vanished_is_said_to_be_gone_and_filled_from_the_cache(root: Path) -> None:
    add_exam(root, batch(root / "exam.jsonl", 900, 40))
    ws = open_workspace(root)
    assert remote_warning(ws) is None
    shutil.rmtree(root / "data" / "remote")
    assert "is missing" in str(remote_warning(ws))
    with ws.ledger.lease("tiny", 10) as lease:
        done = reconcile(ws, lease)
    assert done[0] == "copied 1 file to data/remote, which was missing"
    [event] = views.events(ws.ledger, kind="holdout.done")
    assert ws.store.is_pushed(json.loads(event.payload)["stored"]["md5"])
    assert remote_warning(ws) is None


def test_an_empty_root_has_lost_nothing(root: Path) -> None:
    assert remote_warning(open_workspace(root)) is None


@pytest.mark.parametrize(
    "begun",
    [
        TrainingBegun(key="another", batch="0" * 64),
        RegistrationBegun(
            key="another", batch="0" * 64, bundle="", parent=None, evidence="", headline=""
        ),
    ],
)
def test_work_that_was_begun_and_given_up_does_not_stay_open(root: Path, begun: Payload) -> None:
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 10) as lease:
        ws.ledger.append(begun, lease)
        assert views.open_keys(ws.ledger)
        reconcile(ws, lease)
    assert not views.open_keys(ws.ledger)


def test_a_batch_with_nothing_to_train_on_leaves_nothing_interrupted(root: Path) -> None:
    add_exam(root, batch(root / "exam.jsonl", 1, 60))
    assert settle(root, batch(root / "same.jsonl", 1, 60)).action == "refused"
    assert not views.open_keys(open_workspace(root).ledger)
