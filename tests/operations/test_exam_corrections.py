"""Exams that are retired or relabelled, and anchors that are moved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.data.versioning import DataStore
from components.errors import ConfigError, DataRejected
from components.gate.evidence import recall
from components.ledger import views
from components.ledger.verify import verify
from components.operations import corrections, holdouts, reconciliation, relabelling
from components.operations.relabelling import Relabelled
from components.operations.rollback import look, roll_back
from components.pipeline.exams import open_exams
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.command import ratchet
from tests.stream import PARAMS, add_exam, batch, rows, settle, write_jsonl

OTHER = {"pos": "neg", "neg": "pos"}


def retire(root: Path, exam: str) -> views.ExamRecord:
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 10) as lease:
        return corrections.retire_exam(ws, lease, exam, "out of date")


def relabel(root: Path, exam: str, file: Path) -> Relabelled:
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 10) as lease:
        return relabelling.relabel(ws, lease, exam, file, "labels were wrong")


def labels(ws: Workspace, name: str) -> dict[str, str]:
    """Return text -> label of an exam as candidates sit it."""
    [exam] = [each for each in open_exams(ws, views.exams(ws.ledger, 1000)) if each.name == name]
    return {item.text: item.label for item in exam.items}


def other_labels(ws: Workspace, exam: str, count: int, path: Path) -> dict[str, str]:
    """Write a file with the other label for `count` items of an exam; return text -> label."""
    wrong = {text: OTHER[label] for text, label in sorted(labels(ws, exam).items())[:count]}
    write_jsonl(path, [{"text": text, "label": label} for text, label in wrong.items()])
    return wrong


def test_a_retired_exam_is_never_sat_again_and_the_next_file_opens_the_next_generation(
    grown: Path,
) -> None:
    (grown / "params.yaml").write_text(PARAMS.replace("holdout: {", "holdout: {min_items: 1, "))
    ws = open_workspace(grown)
    near = {item.near for item in views.held_items(ws.ledger, "mood")}
    assert retire(grown, "mood").items == 200
    ws = open_workspace(grown)
    assert {exam.exam for exam in views.exams(ws.ledger, 1000)} == {"mood#batches"}
    with ws.ledger.lease("tiny", 10) as lease:
        assert look(ws, lease).exams == 1
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    document = ws.read_document(_version(ws, settled.version).evidence)
    assert [exam["exam"] for exam in document["exams"]] == ["mood#batches"]
    held = [row for row in rows(900, 200)][:40]
    blocked = settle(grown, write_jsonl(grown / "b4.jsonl", rows(4) + held))
    [split] = views.events(ws.ledger, kind="split.made", batch=blocked.batch)
    assert json.loads(split.payload)["blocked"] >= 40
    assert views.held_among(ws.ledger, near) == near
    assert add_exam(grown, batch(grown / "e.jsonl", 910, 20)).exam == "mood#2"
    with pytest.raises(ConfigError, match="'mood' was retired before"):
        retire(grown, "mood")
    listed = ratchet(grown, "exam", "list", "--json").facts
    everything = ratchet(grown, "exam", "list", "--all", "--json").facts
    assert [each["exam"] for each in listed] == ["mood#2", "mood#batches"]
    [gone] = [each for each in everything if each["decides"] == "retired"]
    assert (gone["exam"], gone["items"], gone["used"]) == ("mood", 200, 0)
    assert gone["decisions"] == 1, "what it decided before stays in the record"
    verify(ws.ledger)


def _version(ws: Workspace, number: int | None) -> views.Version:
    found = views.version(ws.ledger, number or 0)
    assert found is not None
    return found


def test_after_a_batch_exam_is_retired_the_next_rows_begin_another_one(grown: Path) -> None:
    before = retire(grown, "mood#batches")
    assert before.decisions == 1
    assert settle(grown, batch(grown / "b3.jsonl", 3)).action == "promoted"
    ws = open_workspace(grown)
    old, new = [each for each in views.exam_records(ws.ledger) if each.exam == "mood#batches"]
    assert (old.items, old.decisions) == (before.items, 1) and old.retired
    assert 0 < new.items < 40 and not new.retired and new.decisions == 0
    verify(ws.ledger)


def test_retiring_a_tasks_last_exam_says_that_nothing_protects_it(grown: Path) -> None:
    first = ratchet(grown, "exam", "retire", "mood#batches", "--reason", "x")
    assert first.code == 0 and "has no exam now" not in first.out
    last = ratchet(grown, "exam", "retire", "mood", "--reason", "x")
    assert "Task 'mood' has no exam now: nothing shows whether it gets worse." in last.out
    assert ratchet(grown, "exam", "retire", "tone", "--reason", "x").code == 2


def test_what_was_rejected_or_held_under_a_retired_exam_stays_held_out(grown: Path) -> None:
    (grown / "params.yaml").write_text(PARAMS + "gate: {approval: always}\n")
    held = settle(grown, batch(grown / "b3.jsonl", 3))
    assert held.action == "held"
    ws = open_workspace(grown)
    [record] = [e for e in views.exam_records(ws.ledger) if e.exam == "mood#batches"]
    assert record.unconfirmed > 0
    near = {item.near for item in views.held_items(ws.ledger)}
    retire(grown, "mood#batches")
    assert ratchet(grown, "quarantine", "release", held.batch).code == 0
    assert {item.near for item in views.held_items(ws.ledger)} == near
    verify(ws.ledger)


@pytest.mark.parametrize("exam", ["mood", "mood#batches"])
def test_corrected_labels_replace_the_items_of_an_exam(grown: Path, exam: str) -> None:
    ws = open_workspace(grown)
    before, items = labels(ws, exam), views.held_items(ws.ledger, exam)
    wrong = other_labels(ws, exam, 5, grown / "right.csv.jsonl")
    unknown = [{"text": "no such text", "label": "pos"}]
    same = [{"text": text, "label": label} for text, label in sorted(before.items())[5:7]]
    file = write_jsonl(
        grown / "right.jsonl",
        [*({"text": t, "label": each} for t, each in wrong.items()), *unknown, *same, {"text": 7}],
    )
    done = relabel(grown, exam, file)
    assert (done.exam, done.items, done.same, done.unknown) == (exam, 5, 2, (6,))
    assert list(done.rejected) == [9]
    ws = open_workspace(grown)
    assert labels(ws, exam) == before | wrong
    after = views.held_items(ws.ledger, exam)
    assert sorted(each.near for each in after) == sorted(each.near for each in items)
    [event] = views.events(ws.ledger, kind="relabel.done")
    said = json.loads(event.payload)
    assert said["replaces"].keys() == {e.item for e in items} - {e.item for e in after}
    assert {*said["replaces"].values()} == {e.item for e in after} - {e.item for e in items}
    assert said["reason"] == "labels were wrong" and not views.open_keys(ws.ledger)
    verify(ws.ledger)
    assert ratchet(grown, "audit", "verify").code == 0
    assert settle(grown, batch(grown / "b3.jsonl", 3)).action == "promoted"
    assert relabel(grown, exam, _as_before(before, wrong, grown)).items == 5
    assert labels(open_workspace(grown), exam).items() >= before.items()
    verify(ws.ledger)


def _as_before(before: dict[str, str], wrong: dict[str, str], root: Path) -> Path:
    back = [{"text": text, "label": before[text]} for text in wrong]
    return write_jsonl(root / "back.jsonl", back)


def test_the_next_examination_judges_by_the_corrected_labels(grown: Path) -> None:
    first = settle(grown, batch(grown / "b3.jsonl", 3))
    ws = open_workspace(grown)
    wrong = other_labels(ws, "mood", 100, grown / "wrong.jsonl")
    relabel(grown, "mood", grown / "wrong.jsonl")
    later = settle(grown, batch(grown / "b4.jsonl", 4))
    right = [_right(ws, each.version) for each in (first, later)]
    assert right[0] > 190 and right[1] == pytest.approx(right[0] - len(wrong), abs=10)


def _right(ws: Workspace, version: int | None) -> int:
    """Return how many items of the exam `mood` a candidate answered correctly."""
    examination, _ = recall(ws.read_document(_version(ws, version).evidence))
    [exam] = [each for each in examination.exams if each.exam == "mood"]
    assert exam.candidate is not None
    return sum(each is True for each in exam.candidate.correct)


def test_a_batch_that_comes_back_after_a_rollback_has_its_corrected_labels(grown: Path) -> None:
    ws = open_workspace(grown)
    own = {item.item for item in views.held_items(ws.ledger, "mood#batches")}
    before = labels(ws, "mood#batches")
    wrong = other_labels(ws, "mood#batches", len(before), grown / "right.jsonl")
    relabel(grown, "mood#batches", grown / "right.jsonl")
    ws = open_workspace(grown)
    with ws.ledger.lease("tiny", 10) as lease:
        undone = roll_back(ws, lease, 1, "by hand")
    assert ratchet(grown, "quarantine", "release", undone.offending_batch or "").code == 0
    assert len(views.held_items(ws.ledger, "mood#batches")) < len(own)
    add_exam(grown, batch(grown / "e.jsonl", 903, 20))  # else it trains to the barred bundle
    (grown / "params.yaml").write_text(PARAMS + "gate: {approval: always}\n")
    again = run_batch(open_workspace(grown), undone.offending_batch or "")
    assert again.action == "held"
    ws = open_workspace(grown)
    held = views.held_items(ws.ledger, "mood#batches")
    assert len(held) == len(own), "its unconfirmed rows are back"
    assert labels(ws, "mood#batches") == wrong
    verify(ws.ledger)


def test_unconfirmed_rows_that_were_relabelled_are_withdrawn_with_their_batch(grown: Path) -> None:
    (grown / "params.yaml").write_text(PARAMS + "gate: {approval: always}\n")
    ws = open_workspace(grown)
    before = len(views.held_items(ws.ledger, "mood#batches"))
    held = settle(grown, batch(grown / "b3.jsonl", 3))
    ws = open_workspace(grown)
    other_labels(ws, "mood#batches", 1000, grown / "right.jsonl")
    relabel(grown, "mood#batches", grown / "right.jsonl")
    assert ratchet(grown, "quarantine", "release", held.batch).code == 0
    assert len(views.held_items(ws.ledger, "mood#batches")) == before


def test_a_correction_that_cannot_be_made_changes_nothing(grown: Path) -> None:
    ws = open_workspace(grown)
    before, head = labels(ws, "mood"), ws.ledger.head().seq
    text, label = next(iter(before.items()))
    same = write_jsonl(grown / "same.jsonl", [{"text": text, "label": label}])
    with pytest.raises(DataRejected, match="no row has another label for an item of mood"):
        relabel(grown, "mood", same)
    two = [{"text": text, "label": each} for each in ("pos", "neg")]
    with pytest.raises(DataRejected, match=r"two labels|two\.jsonl"):
        relabel(grown, "mood", write_jsonl(grown / "two.jsonl", two))
    with pytest.raises(ConfigError, match="does not exist"):
        relabel(grown, "tone", same)
    texts = [{"text": row["text"]} for row in rows(902, 30)]
    with ws.ledger.lease("tiny", 10) as lease:
        holdouts.add_pool(ws, lease, write_jsonl(grown / "p.jsonl", texts), "mood")
    with pytest.raises(ConfigError, match="is a pool"):
        relabel(grown, "mood#pool", same)
    retire(grown, "mood#batches")
    with pytest.raises(ConfigError, match="'mood#batches' was retired before"):
        relabel(grown, "mood#batches", same)
    ws = open_workspace(grown)
    assert labels(ws, "mood") == before
    assert ws.ledger.head().seq == head + 3, "the pool's intent and outcome, and the retirement"


def test_a_correction_whose_storing_fails_is_finished_or_cancelled(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = open_workspace(grown)
    before = labels(ws, "mood")
    wrong = other_labels(ws, "mood", 5, grown / "right.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(DataStore, "keep", _breaks)
        with pytest.raises(OSError, match="disk"):
            relabel(grown, "mood", grown / "right.jsonl")
    assert labels(ws, "mood") == before and len(views.open_keys(ws.ledger)) == 1
    with ws.ledger.lease("tiny", 10) as lease:
        done = reconciliation.reconcile(ws, lease)
    assert any("relabelled items of mood" in each for each in done)
    assert labels(ws, "mood") == before | wrong and not views.open_keys(ws.ledger)

    with monkeypatch.context() as patch:
        patch.setattr(relabelling, "write_items", _breaks)
        with pytest.raises(OSError, match="disk"):
            relabel(grown, "mood", _as_before(before, wrong, grown))
    with ws.ledger.lease("tiny", 10) as lease:
        done = reconciliation.reconcile(ws, lease)
    assert any("cancelled relabelling mood" in each for each in done)
    assert labels(ws, "mood") == before | wrong and not views.open_keys(ws.ledger)


def _breaks(*_: object) -> None:
    raise OSError("the disk is full")


def test_a_moved_anchor_is_kept_by_later_versions_and_counted(grown: Path) -> None:
    ran = ratchet(grown, "anchor", "move", "--task", "mood", "--reason", "new rules")
    assert ran.code == 0
    assert "held against version 2 now, not version 1" in ran.out
    assert "Against version 1, up to 12 points may be lost now: 6 up to version 2" in ran.out
    assert "was moved 1 time by people" in ran.out
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    ws = open_workspace(grown)
    assert _version(ws, settled.version).anchors == {"mood": 2}
    assert _version(ws, 1).anchors == {"mood": 1}
    listed = ratchet(grown, "anchor", "list", "--json").facts
    assert listed == [{"task": "mood", "anchor": 2, "moves": 1}]
    back = ratchet(grown, "anchor", "move", "--task", "mood", "--to", "1", "--reason", "no")
    assert "Version 1 is older: against version 2 no loss is excluded any more." in back.out
    assert views.anchor_moves(ws.ledger, "mood") == 2
    with ws.ledger.lease("tiny", 10) as lease:
        corrections.rename_task(ws, lease, "mood", "tone", "x")
        corrections.move_anchor(ws, lease, "tone", "again")
        assert views.anchor_moves(ws.ledger, "tone") == 3, "a new name starts no new count"
        roll_back(ws, lease, 2, "by hand")
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.anchors == {"tone": 1}
    verify(ws.ledger)


def test_a_rollback_to_a_version_since_the_new_anchor_keeps_the_move(grown: Path) -> None:
    settle(grown, batch(grown / "b3.jsonl", 3))
    ws = open_workspace(grown)
    with ws.ledger.lease("tiny", 10) as lease:
        corrections.move_anchor(ws, lease, "mood", "new rules", 2)
        roll_back(ws, lease, 2, "by hand")
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.anchors == {"mood": 2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "tone"], "There is no task 'tone'"),
        (["--task", "mood", "--to", "1"], "is its anchor already"),
        (["--task", "mood", "--to", "9"], "can't be its anchor"),
        (["--task", "new"], "has no anchor"),
    ],
)
def test_an_anchor_is_a_version_in_force_that_has_learned_the_task(
    grown: Path, options: list[str], said: str
) -> None:
    add_exam(grown, batch(grown / "e.jsonl", 903, 40), "new")
    ran = ratchet(grown, "anchor", "move", *options, "--reason", "x")
    assert ran.code == 2 and said in ran.err
