"""`ratchet forget`: a champion without a batch, through the whole gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.ledger import views
from components.ledger.events import ChampionRolledBack, ForgetAsked
from components.model.bundle import open_bundle
from components.operations.explanation import explain
from components.operations.forgetting import Forgotten
from components.operations.forgetting import forget as take_out
from components.operations.notices import news
from components.operations.rollback import roll_back
from components.pipeline.reporting import report_path
from components.workspace.root import open_workspace
from flows.retrain import run_batch
from tests.command import ratchet
from tests.stream import PARAMS, add_exam, copied, make_root, rows, settle, write_jsonl

ANALYTIC = PARAMS.replace(
    "strategy: {method: replay, update_share: 1.0, replay_ratio: 1.0, distillation: 0.0}",
    "strategy: {method: analytic, size: 64}",
).replace("adapter: {layers: 1, target_modules: all-linear}", "adapter: {method: head}")


def grown(root: Path, params: str = ANALYTIC) -> list[str]:
    """Let three batches in and return their digests."""
    make_root(root, params)
    add_exam(root, write_jsonl(root / "sent" / "exam.jsonl", rows(99, 1200)))
    found = []
    for number in range(3):
        file = write_jsonl(root / "sent" / f"{number}.jsonl", rows(number, 200))
        settled = settle(root, file, "mood")
        assert settled.action == "promoted", settled.headline
        found.append(settled.batch)
    return found


@pytest.fixture(scope="module")
def solved_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("solved") / "root"
    return root, grown(root)


@pytest.fixture(scope="module")
def told(
    solved_once: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("forget") / "root"
    return copied(solved_once[0], root), solved_once[1]


@pytest.fixture(scope="module")
def without_once(
    solved_once: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A root whose version 4 lacks the batch of version 2."""
    root = copied(solved_once[0], tmp_path_factory.mktemp("without") / "root")
    forget(root, solved_once[1][1])
    return root, solved_once[1]


@pytest.fixture
def without(without_once: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, list[str]]:
    return copied(without_once[0], tmp_path / "root"), without_once[1]


def forget(root: Path, batch: str) -> Forgotten:
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 60) as lease:
        return take_out(ws, lease, batch, "wrong labels")


def in_champion(root: Path, batch: str) -> bool:
    """Tell whether the champion's head was solved on a batch."""
    ws = open_workspace(root)
    champion = views.champion(ws.ledger)
    assert champion is not None
    state = open_bundle(ws.bundles, champion.bundle).strategy_state()
    return batch in [name for name, _, _ in state.values["batches"]]


def test_a_rollback_past_a_removal_says_so_until_the_batch_is_taken_out_again(
    without: tuple[Path, list[str]],
) -> None:
    root, batches = without
    batch, first = batches[1], open_workspace(root)
    news(first)
    assert settle(root, write_jsonl(root / "sent" / "4.jsonl", rows(4, 200)), "mood").version == 5
    undone = ratchet(root, "rollback", "--to", "3", "--reason", "try")
    assert undone.code == 0 and in_champion(root, batch)
    back = f"batch {batch[:12]}, taken out by version 4, is in the champion again"
    assert f"  {back}: `ratchet forget {batch[:12]} --reason TEXT`\n" in undone.out
    assert f"To look at: {back}" in ratchet(root, "status").out
    [event] = views.told(first.ledger, ChampionRolledBack)
    assert event.payload.cost["returned"] == {batch: 4}
    [notice] = [each.text for each in news(first) if each.kind == "rolled back"]
    assert back in notice
    again = forget(root, batch)
    assert (again.version, again.action) == (6, "promoted") and not in_champion(root, batch)
    fourth, sixth = (views.version(first.ledger, number) for number in (4, 6))
    assert fourth is not None and sixth is not None
    assert (fourth.status, sixth.status) == ("barred", "champion")
    bundles = [open_bundle(first.bundles, each.bundle) for each in (fourth, sixth)]
    assert bundles[1].state["request"] == 2 and bundles[0].digest != bundles[1].digest
    assert back not in ratchet(root, "status").out
    assert ratchet(root, "audit", "verify").code == 0


def test_a_removal_that_was_shown_to_be_worse_stays_barred(
    without: tuple[Path, list[str]],
) -> None:
    root, batches = without
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 60) as lease:
        undone = roll_back(ws, lease, 3, "worse on mood", [{"exam": "mood", "target": "3"}])
    assert undone.cost.returned == {batches[1]: 4}
    refused = ratchet(root, "forget", batches[1][:12], "--reason", "again")
    assert refused.code == 2 and "rolled back for a regression and is barred" in refused.err
    assert "Run another batch and forget this one" in refused.err
    assert len(views.told(ws.ledger, ForgetAsked)) == 1
    assert settle(root, write_jsonl(root / "sent" / "4.jsonl", rows(4, 200)), "mood").version == 5
    assert forget(root, batches[1]).action == "promoted" and not in_champion(root, batches[1])


def test_a_batch_that_was_taken_out_and_comes_again_is_told_and_can_be_learned_anew(
    without: tuple[Path, list[str]],
) -> None:
    root, batches = without
    same = ratchet(root, "run", str(root / "sent" / "1.jsonl"), "--task", "mood")
    assert same.code == 1 and "(seen before, taken out since, nothing was trained)" in same.out
    assert "not in the champion: version 4 took it out (wrong labels)" in same.out
    assert "as another file: corrected, or with one more column" in same.out
    noted = [each | {"note": "again"} for each in rows(1, 200)]
    anew = settle(root, write_jsonl(root / "sent" / "again.jsonl", noted), "mood")
    assert anew.action == "promoted" and in_champion(root, anew.batch)
    assert not in_champion(root, batches[1])
    other = ratchet(root, "run", str(root / "sent" / "2.jsonl"), "--task", "mood")
    assert other.code == 0 and "(seen before, nothing was trained)" in other.out


def test_a_rollback_does_not_teach_what_was_taken_out(without: tuple[Path, list[str]]) -> None:
    root, batches = without
    assert forget(root, batches[2]).action == "promoted"
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 60) as lease:
        undone = roll_back(ws, lease, 1, "far back")
    assert (undone.offending_batch, undone.requeued) == (batches[1], [batches[2]])
    assert undone.cost.returned == {}
    left = run_batch(ws, batches[2])
    assert left.action == "refused" and "Version 5 took it out (wrong labels)" in left.headline
    assert ratchet(root, "audit", "verify").code == 0
    assert ratchet(root, "quarantine", "release", batches[2][:12]).code == 0
    assert run_batch(ws, batches[2]).action == "promoted" and in_champion(root, batches[2])
    assert views.brought_back(ws.ledger, views.lineage(ws.ledger)) == []


def test_a_batch_is_taken_out_gated_recorded_and_verified(told: tuple[Path, list[str]]) -> None:
    root, batches = told
    ws = open_workspace(root)
    before = views.champion(ws.ledger)
    assert before is not None
    done = ratchet(root, "forget", batches[1][:12], "--reason", "wrong labels", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["action"] == "promoted" and said["rows"] > 50
    champion = views.champion(open_workspace(root).ledger)
    assert champion is not None and champion.version == said["version"]
    assert (champion.parent, champion.batch) == (before.version, None)
    bundle = open_bundle(ws.bundles, champion.bundle)
    assert bundle.state["forgot"] == batches[1]
    assert batches[1] not in json.dumps(bundle.strategy_state().values["batches"])
    assert explain(ws, champion.version)["origin"] == "forget"
    assert ratchet(root, "audit", "verify").code == 0
    page = report_path(ws, None, champion.bundle).read_text(encoding="utf-8")
    assert f"{batches[1][:12]}, taken out" in page and "Earlier tasks" in page
    shown = ratchet(root, "version", "explain", str(champion.version))
    assert shown.code == 0 and "forget" in shown.out
    history = ratchet(root, "history")
    assert history.code == 0 and "wrong labels" in history.out


def test_what_was_forgotten_is_not_there_to_forget_again_and_the_stream_goes_on(
    told: tuple[Path, list[str]],
) -> None:
    root, batches = told
    again = ratchet(root, "forget", batches[1][:12], "--reason", "again")
    assert again.code == 2 and "was not solved on batch" in again.err
    settled = settle(root, write_jsonl(root / "sent" / "4.jsonl", rows(4, 200)), "mood")
    assert settled.action == "promoted", settled.headline
    served = ratchet(root, "predict", "good great fine", "--json")
    assert served.code == 0 and "pos" in served.out
    assert ratchet(root, "rollback", "--reason", "try").code == 0
    assert ratchet(root, "audit", "verify").code == 0


def test_a_batch_that_nobody_knows_or_cannot_be_subtracted_is_refused(
    told: tuple[Path, list[str]], tmp_path: Path
) -> None:
    root, _ = told
    unknown = ratchet(root, "forget", "ffffffffffff", "--reason", "x")
    assert unknown.code == 2 and "No batch begins with" in unknown.err
    make_root(tmp_path / "other")
    none = ratchet(tmp_path / "other", "forget", "ab", "--reason", "x")
    assert none.code == 2 and "no champion yet" in none.err
    file = write_jsonl(tmp_path / "other" / "sent" / "0.jsonl", rows(0, 200))
    batch = settle(tmp_path / "other", file, "mood").batch
    refused = ratchet(tmp_path / "other", "forget", batch[:12], "--reason", "x")
    assert refused.code == 2 and "replay can't forget a batch" in refused.err
