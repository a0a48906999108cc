"""A regression that shows only later: nobody faked it, and what follows is as if it had not been.

The first exam has no sentence of the words "lovely" and "ugly". A later batch turns exactly
those round and passes. A second generation of the exam brings them, and `watch` goes back.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.data.quarantine import entries
from components.gate.verdicts import Outcome
from components.ledger import views
from components.ledger.verify import verify
from components.operations.rollback import RolledBack, Watched
from components.pipeline.preparation import Settled
from components.workspace.root import Workspace, open_workspace
from flows.intake import drain
from flows.retrain import run_batch
from flows.watch import look_and_go_back
from tests.command import ratchet
from tests.stream import BAD, FILLER, GOOD, PARAMS, add_exam, copied, make_root, settle, write_jsonl

LENIENT = PARAMS.replace("permutations: 20", "permutations: 20, concept_hold_points: 100")
SETTINGS = f"""{LENIENT.replace("replay_ratio: 1.0", "replay_ratio: 0.5")}
gate: {{margin_points: 10, anchor_margin_points: 20}}
"""
PLAIN = {"pos": GOOD[:4], "neg": BAD[:4]}
RARE = {"pos": ["lovely"], "neg": ["ugly"]}
TURNED = {"pos": ["ugly"], "neg": ["lovely"]}


def sentences(seed: int, n: int, moods: dict[str, list[str]]) -> list[dict[str, str]]:
    """Return `n` labelled sentences: three words of a mood, then filler."""
    pick = random.Random(seed)
    made = []
    for _ in range(n):
        label = pick.choice(["pos", "neg"])
        words = pick.choices(moods[label], k=3) + pick.choices(FILLER, k=5)
        made.append({"text": " ".join(words), "label": label})
    return made


@dataclass
class Story:
    """What happened to the root that the offending batch came to, and to the one it never saw."""

    ws: Workspace
    offending: Settled
    innocent: Settled
    watched: Watched
    undone: RolledBack
    again: list[dict[str, Any]]
    following: Settled
    never: Workspace
    never_innocent: Settled
    never_following: Settled

    def bundle(self, ws: Workspace, settled: Settled) -> str:
        """Return the bundle of a settled batch."""
        assert settled.version is not None
        version = views.version(ws.ledger, settled.version)
        assert version is not None
        return version.bundle


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("late")
    first = folder / "first"
    make_root(first, SETTINGS)
    fresh = write_jsonl(folder / "fresh.jsonl", sentences(901, 100, RARE))
    innocent = write_jsonl(folder / "innocent.jsonl", sentences(3, 80, PLAIN))
    following = write_jsonl(folder / "following.jsonl", sentences(5, 80, PLAIN))
    add_exam(first, write_jsonl(folder / "exam.jsonl", sentences(900, 200, PLAIN)))
    begun = sentences(1, 120, PLAIN) + sentences(11, 24, RARE)
    assert settle(first, write_jsonl(folder / "begun.jsonl", begun)).action == "promoted"
    never = copied(first, folder / "never")

    spoiling = sentences(2, 120, PLAIN) + sentences(12, 45, TURNED)
    offending = settle(first, write_jsonl(folder / "offending.jsonl", spoiling))
    innocent_then = settle(first, innocent)
    assert add_exam(first, fresh).items == 100
    ws = open_workspace(first)
    watched, undone = look_and_go_back(ws)
    assert undone is not None
    again = drain(ws, run=lambda _, batch: vars_of(run_batch(ws, batch)))
    after = settle(first, following)

    assert add_exam(never, fresh).items == 100
    return Story(
        ws, offending, innocent_then, watched, undone, again, after,
        open_workspace(never), settle(never, innocent), settle(never, following),
    )  # fmt: skip


def vars_of(settled: Settled) -> dict[str, Any]:
    return {"batch": settled.batch, "action": settled.action, "version": settled.version}


def test_the_offending_batch_and_the_one_after_it_pass_the_first_exam(story: Story) -> None:
    assert (story.offending.action, story.offending.version) == ("promoted", 2)
    assert (story.innocent.action, story.innocent.version) == ("promoted", 3)


def test_the_fresh_exam_shows_the_regression_with_its_numbers(story: Story) -> None:
    [found] = story.watched.regressions
    verdict = found.verdict
    assert (found.task, found.exam, found.target) == ("mood", "mood#2", "1")
    assert verdict.outcome is Outcome.FAIL
    assert verdict.effect_points is not None and verdict.effect_points > 2 * 10
    assert verdict.lower_points is not None and verdict.lower_points > 0
    assert (verdict.margin_points, verdict.n) == (20, 100)


def test_the_rollback_names_its_target_its_cost_and_the_offending_batch(story: Story) -> None:
    undone = story.undone
    assert (undone.from_version, undone.to_version) == (3, 1)
    assert undone.offending_batch == story.offending.batch
    assert undone.requeued == [story.innocent.batch]
    assert undone.cost.versions == [3, 2]
    assert [v.status for v in views.versions(story.ws.ledger)[1:3]] == ["barred", "barred"]


def test_the_offending_batch_is_in_quarantine_with_its_reason(story: Story) -> None:
    arrival = views.arrival(story.ws.ledger, story.offending.batch)
    assert arrival is not None and arrival.status == "quarantined"
    [entry] = entries(story.ws.quarantine)
    assert (entry.batch, entry.kind) == (story.offending.batch, "batch")
    assert entry.source == "offending.jsonl"
    assert "mood#2" in entry.reason
    assert entry.stored_path and (story.ws.root / entry.stored_path).exists()


def test_the_innocent_batch_is_in_force_again(story: Story) -> None:
    assert [(each["batch"], each["action"]) for each in story.again] == [
        (story.innocent.batch, "promoted")
    ]
    champion = views.champion(story.ws.ledger)
    assert champion is not None and champion.version == story.following.version == 5
    assert [version.version for version in views.lineage(story.ws.ledger)] == [5, 4, 1]


def test_afterwards_training_gives_the_bytes_of_a_root_that_never_saw_the_batch(
    story: Story,
) -> None:
    ours, theirs = partial(story.bundle, story.ws), partial(story.bundle, story.never)
    innocent = views.arrival(story.ws.ledger, story.innocent.batch)
    assert innocent is not None and innocent.version == 4
    again = Settled(innocent.batch, innocent.status, "", innocent.version)
    assert ours(again) == theirs(story.never_innocent) != ours(story.innocent)
    assert ours(story.following) == theirs(story.never_following)


def test_explain_tells_the_story_of_the_barred_version_in_numbers(story: Story) -> None:
    ran = ratchet(story.ws.root, "version", "explain", "2", "--json")
    assert ran.code == 0
    facts = ran.facts
    assert facts["status"] == "barred"
    [later] = facts["later"]
    [found] = later["verdicts"]
    assert {
        "task",
        "exam",
        "effect_points",
        "lower_points",
        "upper_points",
        "margin_points",
        "n",
    } <= (found.keys())
    assert (found["task"], found["margin_points"], found["n"]) == ("mood", 20, 100)
    said = ratchet(story.ws.root, "version", "explain", "2").out
    assert "rolled back to version 1" in said and "margin −20.0, 100 items" in said


def test_looking_again_finds_nothing_more(story: Story) -> None:
    watched, undone = look_and_go_back(story.ws)
    assert watched.champion == 5 and undone is None and not watched.regressions


def test_ledger_and_mlflow_agree_in_the_end(story: Story) -> None:
    verify(story.ws.ledger)
    assert story.ws.registry.aliases() == {"champion": 5}
    tags = {v.version: v.tags["ratchet.status"] for v in story.ws.registry.versions()}
    assert tags == {1: "former", 2: "barred", 3: "barred", 4: "former", 5: "champion"}


def test_the_offending_batch_released_trains_to_a_version_that_the_fresh_exam_refuses(
    story: Story, tmp_path: Path
) -> None:
    root = copied(story.ws.root, tmp_path / "root")
    assert ratchet(root, "quarantine", "release", story.offending.batch[:12]).code == 0
    ws = open_workspace(root)
    outcome = run_batch(ws, story.offending.batch)
    assert outcome.action == "rejected" and "mood#2" in outcome.headline
