"""A promotion is a record: what was held is promoted a day later as if it had been at once."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError, Corrupted
from components.ledger import views
from components.ledger.events import (
    CandidateExamined,
    RegistrationDone,
    VersionHeld,
    VersionPromoted,
)
from components.ledger.verify import rebuild, verify
from components.model.bundle import STATE, open_bundle
from components.operations.explanation import explain
from components.operations.holdouts import NothingNew
from components.operations.quarantine_release import release_any
from components.operations.rollback import roll_back
from components.pipeline.arrival import arrive
from components.pipeline.promotion import barred_twin, promote
from components.workspace.item_library import Library
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.audit.changing import flipped
from tests.command import ratchet
from tests.made_bundles import resealed
from tests.stream import PARAMS, add_exam, batch, make_root, settle, write_jsonl

EARLIER = Path(__file__).parents[1] / "earlier" / "root-2026-11.tar.xz"
ALWAYS = f"{PARAMS}\ngate: {{approval: always}}\n"
SIZES = {1: 44, 2: 120, 3: 120}
ELSEWHERE = """
import sys
from pathlib import Path
from components.pipeline.promotion import promote
from components.workspace.root import open_workspace

ws = open_workspace(Path(sys.argv[1]))
with ws.ledger.lease(ws.settings.model.name, 60) as lease:
    print(promote(ws, lease, int(sys.argv[2])))
"""


def promoted_elsewhere(root: Path, number: int) -> str:
    """Promote a version in a process that has seen nothing of its examination."""
    command = [sys.executable, "-c", ELSEWHERE, str(root), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def promoted_here(root: Path, number: int) -> str:
    ws = open_workspace(root)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        return promote(ws, lease, number)


def projected(root: Path) -> dict[str, list[Any]]:
    """Return what promotions leave in the tables, but for what names the rules of the gate."""
    queries = {
        "versions": "SELECT version, batch, bundle, parent, status, anchors, wall FROM versions",
        "inbox": "SELECT batch, status, version FROM inbox",
        "pointer": "SELECT version, how FROM pointer",
        "holdout": "SELECT * FROM holdout ORDER BY exam, item",
        "splits": "SELECT * FROM splits ORDER BY batch, item",
    }
    with closing(sqlite3.connect(root / "mlruns" / "ratchet.db")) as database:
        return {name: database.execute(query).fetchall() for name, query in queries.items()}


def held_once(root: Path) -> int:
    """Let a batch be held in a root that promotes by itself; return its version."""
    (root / "params.yaml").write_text(ALWAYS, encoding="utf-8")
    settled = settle(root, batch(root / "b3.jsonl", 3))
    (root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    assert settled.action == "held" and settled.version is not None
    return settled.version


def add_rows(ws: Workspace, version: views.Version, side: str, count: int) -> None:
    """Make an exam of rows of one side of a version's batch."""
    assert version.batch is not None
    digests = views.split_side(ws.ledger, version.batch, side)[:count]
    items = Library(ws).batch(version.batch, digests)
    rows = [{"text": item.text, "label": item.label} for item in items]
    assert add_exam(ws.root, write_jsonl(ws.root / f"{side}.jsonl", rows)).items == count


def test_a_version_promoted_later_by_another_process_is_promoted_as_if_at_once(
    tmp_path: Path,
) -> None:
    roots = {
        "at once": "horizon: 1, alpha: 0.3",
        "later": "horizon: 1, alpha: 0.3, approval: always",
    }
    for name, gate in roots.items():
        params = f"{PARAMS}\ngate: {{{gate}}}\n"
        none_held_out = params.replace("holdout: {", "holdout: {fraction: 0.0, ")
        root = make_root(tmp_path / name)
        add_exam(root, batch(tmp_path / "exam.jsonl", 900, 200))
        for seed, size in SIZES.items():  # few rows of a first batch would keep the anchor there
            (root / "params.yaml").write_text(none_held_out if seed == 1 else params)
            settled = settle(root, batch(tmp_path / f"b{seed}.jsonl", seed, size))
            assert settled.action == ("promoted" if name == "at once" else "held")
            if settled.action == "held":
                assert promoted_elsewhere(root, seed) == "promoted"
    at_once, later = (projected(tmp_path / name) for name in roots)
    assert later == at_once
    ws = open_workspace(tmp_path / "later")
    assert [each.anchors["mood"] for each in views.versions(ws.ledger)] == [1, 2, 2]
    assert ws.registry.alias("champion") == 3 and ws.registry.alias("candidate") is None
    verify(ws.ledger)
    assert ratchet(ws.root, "audit", "verify").code == 0


def test_the_rows_of_a_batch_never_join_an_exam_that_people_brought(grown: Path) -> None:
    number = held_once(grown)
    assert add_exam(grown, batch(grown / "second.jsonl", 901, 150)).exam == "mood#2"
    assert promoted_here(grown, number) == "promoted"
    ws = open_workspace(grown)
    found = views.version(ws.ledger, number)
    assert found is not None
    own = [item.exam for item in views.held_items(ws.ledger) if item.source == found.batch]
    assert own and set(own) == {"mood#batches"}


def test_a_version_whose_parent_is_champion_no_more_is_superseded_and_its_batch_waits(
    grown: Path,
) -> None:
    number = held_once(grown)
    assert settle(grown, batch(grown / "b4.jsonl", 4)).action == "promoted"
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number)
    assert held is not None and promoted_here(grown, number) == "superseded"
    assert [each.batch for each in views.waiting(ws.ledger)] == [held.batch]
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == ws.registry.alias("champion") == number + 1
    with pytest.raises(ConfigError, match="examined again"):
        promoted_here(grown, number)
    wider = f"{PARAMS}\ngate: {{margin_points: 4}}\n"  # a second look has a tenth of alpha
    (grown / "params.yaml").write_text(wider, encoding="utf-8")
    assert run_batch(open_workspace(grown), str(held.batch)).action == "promoted"


def test_a_version_trained_on_what_was_made_an_exam_since_is_superseded_and_trained_again(
    grown: Path,
) -> None:
    number = held_once(grown)
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number)
    assert held is not None and held.batch is not None
    add_rows(ws, held, "train", 12)
    assert promoted_here(grown, number) == "superseded"
    waiting = views.arrival(ws.ledger, held.batch)
    assert waiting is not None and waiting.status == "queued"
    assert re.search(r"trained on.*12 in exam `mood#2`", waiting.reason)
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == ws.registry.alias("champion") == 2
    (grown / "params.yaml").write_text(ALWAYS, encoding="utf-8")
    again = run_batch(open_workspace(grown), held.batch)
    assert again.action == "held" and again.version is not None and again.version > number
    assert promoted_here(grown, again.version) == "promoted"
    assert views.leaks(ws.ledger) == []


def test_rows_that_a_held_version_held_out_itself_are_no_exam_and_join_once_it_is_promoted(
    grown: Path,
) -> None:
    number = held_once(grown)
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number)
    assert held is not None and held.batch is not None
    own = views.split_side(ws.ledger, held.batch, "holdout")
    with pytest.raises(NothingNew) as refused:
        add_rows(ws, held, "holdout", 5)
    assert refused.value.found.known == 5
    assert views.held_from_batches(ws.ledger, own) == frozenset(), "nothing is confirmed yet"
    assert promoted_here(grown, number) == "promoted"
    assert views.held_from_batches(ws.ledger, own) == set(own) and len(own) >= 5


def test_a_released_batch_voids_the_proposal_until_it_is_examined_again(grown: Path) -> None:
    number = held_once(grown)
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number)
    assert held is not None and held.batch is not None
    with ws.ledger.lease("tiny", 10) as lease:
        release_any(ws, lease, held.batch)
    with pytest.raises(ConfigError, match="examined again"):
        promoted_here(grown, number)
    (grown / "params.yaml").write_text(ALWAYS, encoding="utf-8")
    again = run_batch(open_workspace(grown), held.batch)
    assert (again.action, again.version) == ("held", number), "the same examination, told anew"
    assert promoted_here(grown, number) == "promoted"


@pytest.mark.parametrize("other", ["evidence", "bundle", "batch"])
def test_an_examination_that_only_mentions_a_versions_evidence_is_not_its_own(
    grown: Path, other: str
) -> None:
    number = held_once(grown)
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number)
    assert held is not None and held.batch is not None
    own = views.examined(ws.ledger, held)
    assert own is not None
    task = {held.evidence: held.evidence}  # a task may have any name
    changed: dict[str, Any] = {other: "f" * 64}
    with ws.ledger.lease("tiny", 10) as lease:
        release_any(ws, lease, held.batch)
        ws.ledger.append(replace(own.payload, **changed, joins=task), lease)
    assert views.examined(ws.ledger, held) == own
    with pytest.raises(ConfigError, match="examined again"):
        promoted_here(grown, number)


def test_what_the_gate_rejected_is_promoted_by_nobody(grown: Path) -> None:
    rejected = settle(grown, batch(grown / "poison.jsonl", 3, flip=True))
    assert rejected.action == "rejected" and rejected.version is not None
    with pytest.raises(ConfigError, match="rejected"):
        promoted_here(grown, rejected.version)
    with pytest.raises(ConfigError, match="is champion"):
        promoted_here(grown, 2)
    for unknown in (9, 0, -1, 10**30):
        with pytest.raises(ConfigError, match=f"no version {unknown}"):
            promoted_here(grown, unknown)


def test_the_bundle_of_a_barred_version_never_comes_back_under_another_number(
    grown: Path,
) -> None:
    ws = open_workspace(grown)
    number = held_once(grown)
    held = views.version(ws.ledger, number)
    assert held is not None
    adopted = _adopt(ws, held.bundle, 2)
    assert promoted_here(grown, adopted) == "promoted"
    with ws.ledger.lease("tiny", 10) as lease:
        roll_back(ws, lease, 2, "worse")
    with pytest.raises(ConfigError, match=f"version {adopted}.*barred"):
        promoted_here(grown, number)
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == 2


@pytest.mark.parametrize(
    ("changed", "kept", "outcome"),
    [
        ({"format": 2, "kind": None, "learning": None, "modality": None}, True, "barred"),
        ({"new": "a fact that later formats record"}, True, "barred"),
        ({"wall": "other holdouts"}, True, "promoted"),
        ({"parent": "another champion"}, True, "promoted"),
        ({"new": "nothing is left to compare with"}, False, "promoted"),
    ],
)
def test_the_weights_of_a_barred_version_stay_out_in_another_format(
    grown: Path, changed: dict[str, Any], kept: bool, outcome: str
) -> None:
    ws = open_workspace(grown)
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    barred = views.version(ws.ledger, settled.version or 0)
    assert barred is not None and settled.action == "promoted"
    with ws.ledger.lease("tiny", 10) as lease:
        roll_back(ws, lease, 2, "worse")
    again = _adopt(ws, rewritten(ws, barred.bundle, changed), 2, barred)
    if not kept:
        shutil.rmtree(ws.bundles / barred.bundle)
    if outcome == "barred":
        with pytest.raises(ConfigError, match=f"the same as version {barred.version}, .*barred"):
            promoted_here(grown, again)
    else:
        with ws.ledger.lease("tiny", 60) as lease:
            assert barred_twin(ws, views.versions(ws.ledger, version=again)[0]) is None


def test_a_damaged_bundle_is_not_promoted(grown: Path) -> None:
    number = held_once(grown)
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number)
    assert held is not None
    head = ws.bundles / held.bundle / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"\0")
    with pytest.raises(Corrupted, match=r"head\.safetensors"):
        promoted_here(grown, number)
    assert not [each for each in views.told(ws.ledger, VersionPromoted) if each.payload.version > 2]


def served_head(ws: Workspace, version: views.Version) -> Path:
    """Return the head of a version's copy in MLflow."""
    folder = ws.registry.run_folder(version.run)
    assert folder is not None
    return folder / "model" / "artifacts" / version.bundle / "head.safetensors"


def test_a_byte_changed_in_mlflow_since_the_examination_is_put_right_before_the_promotion(
    grown: Path,
) -> None:
    number = held_once(grown)
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number)
    assert held is not None
    flipped(served_head(ws, held))
    assert promoted_here(grown, number) == "promoted"
    head = ws.bundles / held.bundle / "head.safetensors"
    assert served_head(ws, held).read_bytes() == head.read_bytes()


def test_a_copy_in_mlflow_that_cannot_be_put_right_is_not_promoted(grown: Path) -> None:
    number = held_once(grown)
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number)
    assert held is not None
    [done] = [each.payload for each in views.told(ws.ledger, RegistrationDone)][number - 1 :]
    ws.document_path(str(done.texts)).unlink()
    flipped(served_head(ws, held).parents[2] / "MLmodel")
    with pytest.raises(Corrupted, match=rf"MLflow can't serve version {number}: model/MLmodel"):
        promoted_here(grown, number)
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == 2 == ws.registry.alias("champion")


def test_a_version_whose_evidence_is_lost_is_not_promoted(grown: Path) -> None:
    number = held_once(grown)
    ws = open_workspace(grown)
    held = views.version(ws.ledger, number)
    assert held is not None
    ws.document_path(held.evidence).unlink()
    with pytest.raises(Corrupted, match="is missing"):
        promoted_here(grown, number)
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == 2


def test_a_version_held_before_proposals_were_recorded_must_be_examined_again(
    tmp_path: Path,
) -> None:
    with tarfile.open(EARLIER) as archive:
        archive.extractall(tmp_path)  # ours; `filter` came with 3.11.4
    ws = open_workspace(tmp_path / "support")
    [held] = views.versions(ws.ledger, status="held")
    before = projected(ws.root)
    with pytest.raises(ConfigError, match="quarantine release") as refused:
        promoted_here(ws.root, held.version)
    assert str(held.batch)[:12] in str(refused.value)
    assert projected(ws.root) == before


def test_a_rejection_by_an_older_ratchet_is_told_as_what_it_is(tmp_path: Path) -> None:
    with tarfile.open(EARLIER) as archive:
        archive.extractall(tmp_path)  # ours; `filter` came with 3.11.4
    ws = open_workspace(tmp_path / "support")
    [rejected] = views.versions(ws.ledger, status="rejected")
    with pytest.raises(ConfigError, match="was rejected"):
        promoted_here(ws.root, rejected.version)


def test_a_version_whose_run_was_killed_before_it_was_settled_is_left_to_the_line(
    grown: Path,
) -> None:
    def killed(name: str, work: Callable[[], Any]) -> Any:
        if name == "settle":
            raise SystemExit
        return work()

    ws = open_workspace(grown)
    arrived = arrive(ws, batch(grown / "b3.jsonl", 3), "mood").batch
    with pytest.raises(SystemExit):
        run_batch(ws, arrived, killed)
    [left] = views.versions(ws.ledger, status="candidate")
    with pytest.raises(ConfigError, match=r"not settled.*ratchet intake"):
        promoted_here(grown, left.version)
    flipped(served_head(ws, left))
    settled = run_batch(open_workspace(grown), arrived)
    assert (settled.action, settled.version) == ("promoted", left.version)
    head = ws.bundles / left.bundle / "head.safetensors"
    assert served_head(ws, left).read_bytes() == head.read_bytes()


def test_a_batch_that_another_version_brought_in_is_not_queued_again(grown: Path) -> None:
    ws = open_workspace(grown)
    held = views.version(ws.ledger, held_once(grown))
    assert held is not None and held.batch is not None
    other = _adopt(ws, held.bundle, 2, held)
    assert promoted_here(grown, other) == "promoted"
    assert promoted_here(grown, held.version) == "superseded"
    arrival = views.arrival(ws.ledger, held.batch)
    assert arrival is not None and arrival.status == "promoted"


def test_a_version_that_no_batch_brought_is_shown_explained_and_rolled_past(grown: Path) -> None:
    ws = open_workspace(grown)
    held = views.version(ws.ledger, held_once(grown))
    assert held is not None
    adopted = _adopt(ws, held.bundle, 2)
    assert promoted_here(grown, adopted) == "promoted"
    assert ratchet(grown, "status", "--json").facts["champion"]["batch"] is None
    for command in (["status"], ["history"], ["version", "list"]):
        assert ratchet(grown, *command).code == 0
    told = ratchet(grown, "version", "explain", str(adopted))
    assert told.code == 0 and "adopt" in told.out
    assert explain(ws, adopted)["origin"] == "adopt"
    after = settle(grown, batch(grown / "b4.jsonl", 4))
    assert after.action == "promoted", "the line goes on from it"
    before = projected(grown)
    rebuild(ws.ledger)
    assert projected(grown) == before
    undone = ratchet(grown, "rollback", "--to", "2", "--reason", "worse", "--json").facts
    assert undone["guilty"] is undone["offending_batch"] is None
    assert undone["requeued"] == [after.batch]
    assert undone["cost"]["versions"] == [after.version, adopted]
    assert undone["cost"]["batches"] == [after.batch]
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == 2 == ws.registry.alias("champion")
    assert ratchet(grown, "reconcile").code == 0
    assert ratchet(grown, "audit", "verify").code == 0


def rewritten(ws: Workspace, bundle: str, changed: dict[str, Any]) -> str:
    """Write a bundle again with another `state.json`, fields that are None left out."""
    opened = open_bundle(ws.bundles, bundle)
    state = {**opened.state, **changed}
    left = {name: value for name, value in state.items() if value is not None}
    return resealed(opened, STATE, json.dumps(left))


def _adopt(ws: Workspace, bundle: str, parent: int, like: views.Version | None = None) -> int:
    """Append what an adoption leaves in the ledger: a bundle that came from no batch, held.

    `like`: or from the batch of that version.
    """
    source, batch = like, like.batch if like else None
    if source is None:
        [source] = [each for each in views.versions(ws.ledger, bundle=bundle) if each.batch]
    document = ws.read_document(source.evidence)
    evidence = ws.write_document({**document, "batch": batch, "bundle": bundle, "by": "hand"})
    champion = views.version(ws.ledger, parent)
    assert champion is not None
    number = (views.newest(ws.ledger) or 0) + 1
    headline = "Hold for a person: adopted."
    examined = CandidateExamined(
        batch=batch,
        bundle=bundle,
        snapshot=document["snapshot"],
        evidence=evidence,
        action="hold",
        headline=headline,
        origin="batch" if batch else "adopt",
        parent=parent,
        anchors={**champion.anchors},
        joins={"mood": "mood"} if batch else {},
    )
    done = RegistrationDone(
        key=f"{bundle}:{evidence}",
        batch=batch,
        bundle=bundle,
        parent=parent,
        evidence=evidence,
        headline=headline,
        version=number,
        run=f"{number:032x}",
    )
    with ws.ledger.lease(ws.settings.model.name, 10) as lease:
        for said in (examined, done, VersionHeld(version=number, batch=batch, reason=headline)):
            ws.ledger.append(said, lease)
    return number
