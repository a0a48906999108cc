"""`ratchet forget`: a champion without a batch, through the whole gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.ledger import views
from components.model.bundle import open_bundle
from components.operations.explanation import explain
from components.pipeline.reporting import report_path
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.stream import PARAMS, add_exam, make_root, rows, settle, write_jsonl

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
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("forget") / "root"
    return root, grown(root)


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
