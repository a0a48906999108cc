"""Tasks that were named wrongly: renamed, merged and retired, with all that is theirs."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.ledger import views
from components.ledger.verify import verify
from components.operations import corrections, holdouts
from components.operations.quarantine_release import release_any
from components.pipeline.arrival import arrive
from components.pipeline.exams import open_exams
from components.pipeline.preparation import Settled
from components.pipeline.promotion import promote
from components.training.memory import remembered
from components.workspace.batch_files import items_path
from components.workspace.item_library import Library
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.command import ratchet
from tests.stream import PARAMS, add_exam, batch, rows, settle, write_jsonl


def stray(root: Path, seed: int = 70, n: int = 50, name: str = "stray.jsonl") -> Settled:
    """Drop a file without a task, and run it."""
    ws = open_workspace(root)
    return run_batch(ws, arrive(ws, batch(root / name, seed, n), None).batch)


def correct(root: Path, command: str, *names: str) -> Any:
    """Run a correction as the command does."""
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 10) as lease:
        return getattr(corrections, f"{command}_task")(ws, lease, *names, "a stray file")


def sizes(ws: Workspace) -> dict[str, int]:
    return {exam: count for exam, (_, count) in views.exam_sizes(ws.ledger).items()}


def anchors(ws: Workspace) -> dict[str, int]:
    champion = views.champion(ws.ledger)
    assert champion is not None
    return champion.anchors


def test_a_stray_file_with_a_tiny_exam_holds_nobody_up(grown: Path) -> None:
    assert stray(grown).action == "promoted"
    ws = open_workspace(grown)
    assert sizes(ws)["default#batches"] < 20
    assert settle(grown, batch(grown / "b3.jsonl", 3)).action == "promoted"
    listed = ratchet(grown, "exam", "list", "--json").facts
    assert {each["exam"]: each["decides"] for each in listed} == {
        "default#batches": "own batches",
        "mood": "every batch",
        "mood#batches": "nothing",
    }


def test_a_stray_task_is_merged_into_the_right_one_with_all_that_is_its_own(grown: Path) -> None:
    settled = stray(grown)
    ws = open_workspace(grown)
    before, kept = sizes(ws), items_path(ws, settled.batch).read_bytes()
    at = anchors(ws)["mood"]
    found = correct(grown, "merge", "default", "mood")
    assert (found.task, found.anchor, found.earlier) == ("mood", at, ("default",))
    ws = open_workspace(grown)
    assert anchors(ws) == {"mood": at}
    assert sizes(ws) == {
        "mood": 200,
        "mood#batches": before["mood#batches"] + before["default#batches"],
    }
    [event] = views.events(ws.ledger, kind="task.renamed")
    said = json.loads(event.payload)
    assert (said["old"], said["new"], said["merged"]) == ("default", "mood", True)
    assert (said["reason"], said["actor"]) == ("a stray file", ws.ledger.actor)
    for exam in open_exams(ws, views.exams(ws.ledger, 1000)):
        assert {item.task for item in exam.items} == {"mood"}
    assert items_path(ws, settled.batch).read_bytes() == kept, "lines keep the earlier name"
    assert b'"task":"default"' in kept
    champion = views.champion(ws.ledger)
    assert champion is not None
    from components.model.bundle import open_bundle

    refs = remembered(open_bundle(ws.bundles, champion.bundle))
    assert {ref.task for ref in refs} == {"mood", "default"}
    assert {item.task for item in Library(ws).remembered(refs)} == {"mood"}
    verify(ws.ledger)

    later = settle(grown, batch(grown / "b3.jsonl", 3))
    assert later.action == "promoted"
    ws = open_workspace(grown)
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.anchors.keys() == {"mood"}
    refs = remembered(open_bundle(ws.bundles, champion.bundle))
    assert {ref.task for ref in refs} == {"mood"}, "the memory is balanced by the names of today"
    document = ws.read_document(champion.evidence)
    assert document["counts"]["seen"].keys() == {"mood"}


def test_rows_that_still_come_under_the_old_name_are_the_new_tasks(grown: Path) -> None:
    stray(grown)
    correct(grown, "merge", "default", "mood")
    again = stray(grown, 71, 120, "again.jsonl")
    assert again.new_tasks.renamed == {"default": "mood"} and not again.new_tasks.tasks
    ws = open_workspace(grown)
    assert views.batch_tasks(ws.ledger, again.batch) == {"mood"}
    assert {*sizes(ws)} == {"mood", "mood#batches"}
    ran = ratchet(grown, "run", grown / "again.jsonl")
    assert "task 'default' is called 'mood' now: its rows are rows of 'mood'." in ran.out
    added = add_exam(grown, batch(grown / "e.jsonl", 72, 120), "default")
    assert added.exam == "mood#2"


def test_an_old_name_is_taken_although_the_list_of_tasks_has_the_new_one_only(grown: Path) -> None:
    correct(grown, "rename", "mood", "tone")
    closed = PARAMS.replace("min_rows: 10", "min_rows: 10, tasks: [tone]")
    (grown / "params.yaml").write_text(closed)
    settled = settle(grown, batch(grown / "b3.jsonl", 3), "mood")
    assert settled.action == "promoted" and settled.new_tasks.renamed == {"mood": "tone"}
    assert {*anchors(open_workspace(grown))} == {"tone"}


def test_a_renamed_task_keeps_its_exams_in_order_and_its_answers(grown: Path) -> None:
    add_exam(grown, batch(grown / "e.jsonl", 901, 120))
    texts = [{"text": row["text"]} for row in rows(902, 30)]
    ws = open_workspace(grown)
    with ws.ledger.lease("tiny", 10) as lease:
        pool = holdouts.add_pool(ws, lease, write_jsonl(grown / "p.jsonl", texts), "mood")
    before = sizes(ws)
    found = correct(grown, "rename", "mood", "tone")
    ws = open_workspace(grown)
    assert sizes(ws) == {exam.replace("mood", "tone"): count for exam, count in before.items()}
    assert views.pool_sizes(ws.ledger) == {"tone": pool.items}
    assert found.exams == {**sizes(ws), "tone#pool": pool.items}
    with ws.ledger.lease("tiny", 10) as lease:
        corrections.rename_task(ws, lease, "mood", "voice", "by its earlier name")
        corrections.rename_task(ws, lease, "voice", "mood", "and back")
    assert sizes(ws) == before
    assert views.renamed_tasks(ws.ledger) == {"tone": "mood", "voice": "mood"}
    verify(ws.ledger)


def test_brought_exams_of_a_merged_task_are_the_next_generations(grown: Path) -> None:
    for seed in (903, 904):
        add_exam(grown, batch(grown / f"e{seed}.jsonl", seed, 110), "tone")
    assert settle(grown, batch(grown / "t.jsonl", 5), "tone").action == "promoted"
    assert settle(grown, batch(grown / "u.jsonl", 6), "other").action == "promoted"
    ws = open_workspace(grown)
    before, at = sizes(ws), anchors(ws)
    correct(grown, "merge", "tone", "mood")
    ws = open_workspace(grown)
    after = sizes(ws)
    assert (after["mood#2"], after["mood#3"]) == (before["tone"], before["tone#2"])
    assert anchors(ws) == {"mood": at["mood"], "other": at["other"]}
    add_exam(grown, batch(grown / "v.jsonl", 905, 110), "fresh")
    correct(grown, "merge", "other", "fresh")
    ws = open_workspace(grown)
    assert anchors(ws) == {"mood": at["mood"], "fresh": at["other"]}, "it had no anchor itself"


def test_what_a_large_exam_has_seen_is_not_worn_by_a_stray_one(grown: Path) -> None:
    stray(grown)
    for seed in (3, 4):
        settle(grown, batch(grown / f"b{seed}.jsonl", seed))
    use = views.exam_use(open_workspace(grown).ledger)
    stray_use, large = use.pop("default#batches"), use.pop("mood#batches")
    assert stray_use.decisions == 2
    correct(grown, "merge", "default", "mood")
    after = views.exam_use(open_workspace(grown).ledger)
    spent = large.spent + stray_use.spent
    assert after.pop("mood#batches") == replace(large, spent=spent), "what is spent stays spent"
    assert after == use


def test_a_held_version_is_promoted_with_the_names_and_anchors_of_today(grown: Path) -> None:
    settings = PARAMS + "gate: {approval: always}\n"
    (grown / "params.yaml").write_text(settings)
    tone = settle(grown, batch(grown / "t.jsonl", 5), "tone")
    assert tone.action == "held" and tone.version is not None
    ws = open_workspace(grown)
    assert views.batch_tasks(ws.ledger, tone.batch) == {"tone"}
    correct(grown, "rename", "tone", "voice")
    with ws.ledger.lease("tiny", 10) as lease:
        moved = corrections.move_anchor(ws, lease, "mood", "the concept changed")
        assert (moved.from_, moved.to) == (1, 2)
        assert promote(ws, lease, tone.version, "looked at") == "promoted"
    assert anchors(ws) == {"mood": 2, "voice": tone.version}
    assert "voice#batches" in sizes(ws) and not any("tone" in exam for exam in sizes(ws))
    verify(ws.ledger)


def test_a_retired_task_is_not_examined_and_starts_again_as_a_new_one(grown: Path) -> None:
    (grown / "params.yaml").write_text(PARAMS + "gate: {approval: always}\n")
    first = settle(grown, batch(grown / "t.jsonl", 5), "tone")
    assert first.version is not None
    ws = open_workspace(grown)
    with ws.ledger.lease("tiny", 10) as lease:
        promote(ws, lease, first.version)
    (grown / "params.yaml").write_text(PARAMS)
    near = {item.near for item in views.held_items(ws.ledger)}
    was = correct(grown, "retire", "tone")
    assert was.exams.keys() == {"tone#batches"} and was.trained > 0
    ws = open_workspace(grown)
    assert anchors(ws).keys() == {"mood"} and {*sizes(ws)} == {"mood", "mood#batches"}
    assert views.held_among(ws.ledger, near) == near, "what is held out stays held out"
    tasks = {each.task: each for each in views.task_records(ws.ledger)}
    assert tasks["tone"].retired and tasks["tone"].trained == was.trained
    with pytest.raises(ConfigError, match="'tone' was retired"):
        correct(grown, "retire", "tone")

    again = settle(grown, batch(grown / "t2.jsonl", 6), "tone")
    assert again.action == "promoted" and again.new_tasks.tasks == {"tone": 120}
    ws = open_workspace(grown)
    assert anchors(ws)["tone"] == again.version
    records = [each for each in views.exam_records(ws.ledger) if each.exam == "tone#batches"]
    assert [bool(each.retired) for each in records] == [True, False]
    assert not {t["task"] for t in ratchet(grown, "task", "list", "--json").facts if t["retired"]}
    verify(ws.ledger)


def test_a_rollback_frees_nothing_that_was_retired(grown: Path) -> None:
    ws = open_workspace(grown)
    before = {item.near for item in views.held_items(ws.ledger)}
    retired = {item.item for item in views.held_items(ws.ledger)}
    with ws.ledger.lease("tiny", 10) as lease:
        corrections.retire_exam(ws, lease, "mood#batches", "its labels are wrong")
    assert ratchet(grown, "rollback", "--reason", "by hand").code == 0
    ws = open_workspace(grown)
    assert {item.near for item in views.held_items(ws.ledger)} == before
    released = ratchet(grown, "quarantine", "release", "--json", _batch_of(ws, 2)).facts
    again = run_batch(open_workspace(grown), released["batch"])
    ws = open_workspace(grown)
    sides = [views.split_side(ws.ledger, again.batch, side) for side in ("train", "holdout")]
    assert not retired & {*chain.from_iterable(sides)}, "they were retired, not given back"
    verify(ws.ledger)


def _batch_of(ws: Workspace, number: int) -> str:
    version = views.version(ws.ledger, number)
    assert version is not None and version.batch is not None
    return version.batch


@pytest.mark.parametrize(
    ("command", "names", "said"),
    [
        ("rename", ("mood", "tone"), "ratchet task merge mood tone"),
        ("rename", ("nothing", "new"), "There is no task 'nothing'"),
        ("rename", ("mood", "mood"), "is a name of task 'mood' already"),
        ("rename", ("mood", "mood#2"), "is not a valid task name"),
        ("merge", ("mood", "nothing"), "There is no task 'nothing'"),
        ("merge", ("mood", "mood"), "is task 'mood' already"),
        ("retire", ("nothing",), "There is no task 'nothing'"),
    ],
)
def test_a_correction_that_makes_no_sense_is_refused(
    grown: Path, command: str, names: tuple[str, ...], said: str
) -> None:
    add_exam(grown, batch(grown / "e.jsonl", 903, 40), "tone")
    ran = ratchet(grown, "task", command, *names, "--reason", "x")
    assert ran.code == 2 and said in ran.err, ran.err
    assert not views.events(open_workspace(grown).ledger, kind="task.renamed")


def test_a_name_that_a_task_had_before_is_not_given_to_another(grown: Path) -> None:
    add_exam(grown, batch(grown / "e.jsonl", 903, 40), "tone")
    correct(grown, "rename", "mood", "voice")
    with pytest.raises(ConfigError, match="'mood' is a name of task 'voice' already"):
        correct(grown, "rename", "tone", "mood")


def test_a_file_sent_again_for_its_right_task_says_what_to_type(grown: Path) -> None:
    settled = stray(grown)
    ran = ratchet(grown, "run", grown / "stray.jsonl", "--task", "mood")
    assert ran.code == 1
    assert "have the task 'default', not 'mood'" in ran.out
    assert "next: ratchet task merge default mood --reason" in ran.out
    ran = ratchet(grown, "run", grown / "stray.jsonl", "--task", "tone", "--json")
    assert ran.facts["batch"] == settled.batch
    assert ran.facts["other_task"]["next"].startswith("ratchet task rename default tone")
    assert len(views.arrivals(open_workspace(grown).ledger)) == 3, "nothing arrived a second time"
    incoming = batch(grown / "data" / "incoming" / "mood" / "stray.jsonl", 70, 50)
    assert incoming.exists()
    ran = ratchet(grown, "intake")
    assert "next: ratchet task merge default mood --reason" in ran.out
    correct(grown, "merge", "default", "mood")
    ran = ratchet(grown, "run", grown / "stray.jsonl", "--task", "mood", "--json")
    assert (ran.code, ran.facts["seen_before"], ran.facts["other_task"]) == (0, True, None)


def test_a_held_batch_comes_back_for_its_right_task_in_place_of_the_old_one(grown: Path) -> None:
    (grown / "params.yaml").write_text(PARAMS + "gate: {approval: always}\n")
    held = stray(grown, n=120)
    assert held.action == "held"
    (grown / "params.yaml").write_text(PARAMS)
    ran = ratchet(grown, "run", grown / "stray.jsonl", "--task", "mood")
    assert f"next: ratchet quarantine release {held.batch[:12]} --task mood" in ran.out
    ws = open_workspace(grown)
    with ws.ledger.lease("tiny", 10) as lease:
        released = release_any(ws, lease, held.batch[:12], "mood")
    assert released.batch != held.batch
    version = views.version(ws.ledger, held.version or 0)
    assert version is not None and version.status == "superseded"
    old = views.arrival(ws.ledger, held.batch)
    assert old is not None and old.status == "superseded" and released.batch[:12] in old.reason
    assert "default#batches" not in sizes(ws), "its held-out rows are free again"
    again = run_batch(open_workspace(grown), released.batch)
    assert again.action == "promoted"
    assert views.batch_tasks(ws.ledger, again.batch) == {"mood"}
    ran = ratchet(grown, "run", grown / "stray.jsonl", "--task", "mood", "--json")
    assert (ran.code, ran.facts["batch"]) == (0, again.batch)
    verify(ws.ledger)


def test_a_promoted_batch_is_not_given_another_task_by_itself(grown: Path) -> None:
    settled = stray(grown)
    ran = ratchet(grown, "quarantine", "release", settled.batch, "--task", "mood")
    assert ran.code != 0 and "ratchet task merge default mood" in ran.err


def test_a_queued_batch_is_given_its_right_task_before_it_runs(grown: Path) -> None:
    ws = open_workspace(grown)
    queued = arrive(ws, batch(grown / "stray.jsonl", 70, 120), None)
    ran = ratchet(grown, "run", grown / "stray.jsonl", "--task", "mood")
    assert ran.code == 1 and f"release {queued.batch[:12]} --task mood" in ran.out
    ran = ratchet(grown, "quarantine", "release", queued.batch, "--task", "mood", "--json")
    assert [each.batch for each in views.waiting(ws.ledger)] == [ran.facts["batch"]]
    assert run_batch(open_workspace(grown), ran.facts["batch"]).action == "promoted"
