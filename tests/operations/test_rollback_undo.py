"""A rollback by hand is undone by another event, as long as nothing stands against it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError, Corrupted
from components.ledger import views
from components.ledger.events import BatchPooled, ChampionRolledBack, RollbackUndone, SplitMade
from components.ledger.verify import verify
from components.operations.rollback import roll_back
from components.operations.rollback_undo import Undone, undo
from components.registry.inspection import BARRED
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.command import Ran, finish, ratchet, start
from tests.stream import add_exam, batch, rows, settle, write_jsonl


def go_back(ws: Workspace, target: int, regressed: list[dict[str, Any]] | None = None) -> None:
    with ws.ledger.lease("tiny", 10) as lease:
        roll_back(ws, lease, target, "it was worse", regressed)


def take_back(ws: Workspace) -> Undone:
    with ws.ledger.lease("tiny", 10) as lease:
        return undo(ws, lease, "it was a slip")


def state(ws: Workspace) -> dict[str, Any]:
    """What the champion, its line, the exams and the batches are; and what MLflow shows."""
    return {
        "versions": views.versions(ws.ledger),
        "held out": sorted(map(str, views.held_items(ws.ledger))),
        "inbox": views.arrivals(ws.ledger),
        "waiting": views.waiting(ws.ledger),
        "known": views.known_tasks(ws.ledger),
        "alias": ws.registry.alias("champion"),
        "shown": {
            each.version: (each.tags["ratchet.status"], each.description)
            for each in ws.registry.versions()
        },
    }


def told(ws: Workspace) -> str:
    """Say why the rollback can't be undone; nothing may change."""
    before = state(ws), len(views.events(ws.ledger))
    with pytest.raises(ConfigError) as refused:
        take_back(ws)
    assert (state(ws), len(views.events(ws.ledger))) == before
    return str(refused.value)


@pytest.mark.parametrize("target", [1, 2])
def test_everything_stands_as_before_the_rollback(three: Workspace, target: int) -> None:
    before = state(three)
    go_back(three, target)
    assert state(three)["shown"][3][1].startswith(BARRED)
    undone = take_back(three)
    assert state(three) == before
    assert (undone.from_version, undone.to_version) == (target, 3)
    assert undone.restored == list(range(target + 1, 4)) and not undone.superseded
    assert all(row.status == "released" for row in views.quarantined(three.ledger))
    assert [row.how for row in views.pointer_history(three.ledger)][-2:] == ["rollback", "undo"]
    verify(three.ledger)
    assert ratchet(three.root, "audit", "verify", "--deep").code == 0
    assert ratchet(three.root, "reconcile").out == "Nothing to repair.\n"


def test_the_champion_learns_on_and_what_follows_makes_it_final(three: Workspace) -> None:
    go_back(three, 2)
    take_back(three)
    assert settle(three.root, batch(three.root / "b4.jsonl", 4)).action == "promoted"
    assert [each.version for each in views.lineage(three.ledger)] == [4, 3, 2, 1]
    assert "There is no rollback to undo" in told(three)


def test_two_rollbacks_are_undone_one_after_the_other(three: Workspace) -> None:
    before = state(three)
    go_back(three, 2)
    go_back(three, 1)
    assert take_back(three).to_version == 2
    assert take_back(three).to_version == 3
    assert state(three) == before
    assert "no rollback to undo" in told(three)


def test_what_watch_rolled_back_stays_barred_for_ever(three: Workspace) -> None:
    go_back(three, 2)
    regression = {"exam": "mood", "task": "mood", "target": "1", "effect_points": 9.0}
    go_back(three, 1, [regression])
    assert "was rolled back by `ratchet watch`" in told(three)
    assert "`ratchet quarantine release" in told(three)


def test_once_another_version_was_promoted_it_is_too_late(three: Workspace) -> None:
    go_back(three, 2)
    assert settle(three.root, batch(three.root / "b4.jsonl", 4)).action == "promoted"
    said = told(three)
    assert "the champion changed since the last one, and is version 4 now" in said
    assert "`ratchet quarantine release" in said
    barred = views.versions(three.ledger)[2]
    assert barred.status == "barred"


def test_a_batch_that_was_rejected_or_held_meanwhile_counts_as_promoted_again(
    three: Workspace,
) -> None:
    """Its second version, from another parent, is no longer asked about."""
    before = state(three)
    go_back(three, 1)
    third = views.arrivals(three.ledger)[2].batch
    params = three.root / "params.yaml"
    sound = params.read_text()
    params.write_text(f"{sound}gate: {{margin_points: 0.01}}\n")  # too strict to tell anything
    assert run_batch(open_workspace(three.root), third).action == "held"
    params.write_text(sound)
    ws = open_workspace(three.root)
    [held] = views.versions(ws.ledger, status="held")
    undone = take_back(ws)
    assert undone.superseded == [held.version]
    after = state(ws)
    assert after["versions"].pop().status == "superseded" and after["shown"].pop(held.version)
    assert after == before
    assert ratchet(three.root, "reconcile").code == 0  # records the settings
    assert ratchet(three.root, "audit", "verify").code == 0


def test_a_batch_that_was_pooled_or_split_otherwise_meanwhile_is_named(three: Workspace) -> None:
    go_back(three, 1)
    third = views.arrivals(three.ledger)[2].batch
    [split] = [e.payload for e in views.told(three.ledger, SplitMade) if e.payload.batch == third]
    same = {"batch": third, "train": split.train, "holdout": split.holdout, "blocked": 0}
    with three.ledger.lease("tiny", 10) as lease:
        three.ledger.append(SplitMade(**same), lease)
        three.ledger.append(SplitMade(**{**same, "holdout": split.holdout[1:]}), lease)
    assert f"batch {third[:12]} (b3.jsonl) was split otherwise" in told(three)
    with three.ledger.lease("tiny", 10) as lease:
        three.ledger.append(BatchPooled(batch="f" * 64, members=[third]), lease)
    assert f"batch {third[:12]} (b3.jsonl) is pooled" in told(three)


def test_an_exam_with_rows_that_the_version_was_trained_on_stands_against_it(
    three: Workspace,
) -> None:
    go_back(three, 2)
    add_exam(three.root, write_jsonl(three.root / "late.jsonl", rows(3)))
    said = told(open_workspace(three.root))
    assert "that version 3 was trained on are in the exam" in said


def test_a_lost_bundle_leaves_the_champion_alone(three: Workspace) -> None:
    go_back(three, 2)
    third = views.versions(three.ledger)[2]
    head = three.bundles / third.bundle / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"\0")
    with pytest.raises(Corrupted, match=r"head\.safetensors"):
        take_back(three)
    assert views.champion(three.ledger) == views.version(three.ledger, 2)
    assert not views.told(three.ledger, RollbackUndone)


def test_a_probation_that_the_rollback_cut_short_goes_on(tmp_path: Path) -> None:
    from tests.stream import PARAMS, make_root

    root = make_root(tmp_path / "root", PARAMS + "gate: {undecided: probation}\n")
    for seed, n in ((1, 200), (2, 60)):
        settle(root, batch(root / f"b{seed}.jsonl", seed, n))
    ws = open_workspace(root)
    before, held = views.probation(ws.ledger), sorted(map(str, views.held_items(ws.ledger)))
    assert before is not None
    go_back(ws, 1)
    assert views.probation(ws.ledger) is None
    take_back(ws)
    assert views.probation(ws.ledger) == before
    assert sorted(map(str, views.held_items(ws.ledger))) == held


def test_the_command_plans_does_undoes_and_says_so(three: Workspace) -> None:
    root, before = three.root, state(three)
    plan = ratchet(root, "rollback", "--to", "1", "--dry-run")
    assert plan.code == 0 and "from version 3 to version 1, and bar versions 3, 2" in plan.out
    assert "would be queued again" in plan.out and state(three) == before
    planned = ratchet(root, "rollback", "--to", "1", "--dry-run", "--json").facts
    done = ratchet(root, "rollback", "--to", "1", "--reason", "x", "--json").facts
    assert planned.pop("dry_run") and planned | {"reason": "x"} == done
    again = ratchet(root, "rollback", "--undo", "--dry-run")
    assert "from version 1 to version 3" in again.out and "no longer barred" in again.out
    undone = ratchet(root, "rollback", "--undo", "--reason", "a slip")
    assert undone.code == 0 and "champion version 3 again" in undone.out
    assert state(three) == before
    explained = ratchet(root, "version", "explain", "3").out
    assert "rolled back to version 1: x" in explained
    assert "the rollback was undone: a slip" in explained
    assert "There is no rollback to undo" in ratchet(root, "rollback", "--undo", "--dry-run").err


def test_the_hint_that_a_rollback_prints_undoes_it(three: Workspace) -> None:
    import shlex

    said = ratchet(three.root, "rollback", "--reason", "x").out
    [hint] = [line for line in said.splitlines() if "to undo it: " in line]
    assert ratchet(three.root, *shlex.split(hint.partition(": ratchet ")[2])).code == 0
    assert views.champion(three.ledger) == views.version(three.ledger, 3)


def test_a_terminal_is_asked_before_anything_changes(three: Workspace) -> None:
    refused = asked(three.root, "n", "rollback", "--reason", "x")
    assert refused.code == 1 and "Nothing was changed." in refused.err
    assert "from version 3 to version 2" in refused.out
    assert views.champion(three.ledger) == views.version(three.ledger, 3)
    assert asked(three.root, "y", "rollback", "--reason", "x").code == 0
    assert asked(three.root, "", "rollback", "--undo", "--reason", "x", "--yes").code == 0
    assert views.champion(three.ledger) == views.version(three.ledger, 3)


def asked(root: Path, answer: str, *words: str) -> Ran:
    """Run the command on a terminal where somebody types an answer."""
    keyboard, terminal = os.openpty()
    try:
        os.write(keyboard, f"{answer}\n".encode())
        process = start(root, *words, stdin=terminal)
        return finish(process)
    finally:
        os.close(keyboard)
        os.close(terminal)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--undo", "--to", "1", "--reason", "x"], "--undo takes no --to"),
        (["--undo"], "Missing option '--reason'"),
        (["--to", "1"], "Missing option '--reason'"),
    ],
)
def test_what_does_not_fit_together_is_a_usage_error(
    three: Workspace, words: list[str], says: str
) -> None:
    ran = ratchet(three.root, "rollback", *words)
    assert ran.code == 2 and says in ran.err
    assert not views.told(three.ledger, ChampionRolledBack)


def test_its_event_says_all_that_it_brings_back(three: Workspace) -> None:
    go_back(three, 1)
    planned = take_back(three)
    [event] = views.told(three.ledger, RollbackUndone)
    said = json.loads(json.dumps(event.payload.said()))
    assert said["restored"] == [2, 3] and said["batches"] == planned.batches
    assert asdict(planned)["reason"] == said["reason"] == "it was a slip"
