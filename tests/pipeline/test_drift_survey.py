"""A batch against what the champion has seen: the right rows, the right counts, no words kept."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from components.ledger import views
from components.pipeline.drift_survey import _since, representative
from components.pipeline.preparation import Settled
from components.pipeline.reporting import report_path
from components.training.memory import MemoryRef
from components.workspace.root import Workspace, open_workspace
from tests.stream import PARAMS, add_exam, batch, make_root, rows, settle, write_jsonl

DRIFT = "drift: {permutations: 20}"


def evidence(ws: Workspace, settled: Settled) -> dict[str, Any]:
    assert settled.version is not None
    version = views.version(ws.ledger, settled.version)
    assert version is not None
    return dict(ws.read_document(version.evidence))


def findings(ws: Workspace, settled: Settled) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in evidence(ws, settled)["drift"]}


def lopsided(path: Path, seed: int) -> Path:
    """Write a batch nearly all of whose rows are of one mood."""
    made = rows(seed, 300)
    kept = [row for row in made if row["label"] == "pos"]
    return write_jsonl(path, [*kept[:110], *[row for row in made if row["label"] == "neg"][:10]])


def founded(root: Path, params: str = PARAMS) -> Path:
    """Return a root with an exam that is large enough to promote by."""
    made = make_root(root, params)
    add_exam(made, batch(root / "exam.jsonl", 900, 300))
    return made


def refs(**groups: int) -> list[MemoryRef]:
    return [
        MemoryRef("b", f"{name}{place:04}", *name.split("_"))
        for name, size in groups.items()
        for place in range(size)
    ]


def test_rows_are_compared_in_the_shares_in_which_they_were_seen() -> None:
    memory = refs(x_a=100, x_b=100, y_a=100)
    seen = {"x": {"a": 900, "b": 100}, "y": {"a": 50}}
    found = representative(memory, seen, {"x": {"b": 7}}, 100)
    assert Counter((ref.task, ref.label) for ref in found) == {("x", "a"): 90, ("x", "b"): 10}
    both = representative(memory, seen, {"x": {"a": 1}, "y": {"a": 3}}, 40)
    assert Counter(ref.task for ref in both) == {"x": 10, "y": 30}
    new = representative(memory, seen, {"z": {"a": 1}}, 21)
    assert Counter(ref.task for ref in new) == {"x": 20, "y": 1}


def test_the_order_of_the_memory_changes_nothing_and_a_short_one_gives_what_it_has() -> None:
    memory = refs(x_a=30, x_b=2)
    seen = {"x": {"a": 500, "b": 500}}
    mixed = random.Random(0).sample(memory, len(memory))
    assert representative(memory, seen, seen, 20) == representative(mixed, seen, seen, 20)
    assert len(representative(memory, seen, seen, 200)) == 32
    assert representative([], seen, seen, 200) == []


def test_rare_labels_of_a_long_list_are_not_all_left_out() -> None:
    memory = refs(**{f"x_l{place}": 2 for place in range(500)})
    seen = {"x": {f"l{place}": 3 for place in range(500)}}
    assert len(representative(memory, seen, seen, 200)) == 200


def test_each_document_counts_what_was_seen_before_and_what_was_brought(tmp_path: Path) -> None:
    root = founded(tmp_path / "root")
    settled = [settle(root, batch(tmp_path / f"b{seed}.jsonl", seed)) for seed in (1, 2, 3)]
    ws = open_workspace(root)
    assert [each.action for each in settled] == ["promoted"] * 3
    counts = [evidence(ws, each)["counts"] for each in settled]
    assert counts[0]["seen"] == {} and counts[0]["answered"] == {}
    for before, now in pairwise(counts):
        sums = Counter(before["seen"].get("mood", {})) + Counter(before["brought"]["mood"])
        assert now["seen"]["mood"] == sums
    trained = [len(views.split_side(ws.ledger, each.batch, "train")) for each in settled]
    assert [sum(each["brought"]["mood"].values()) for each in counts] == trained
    asked = sum(rows for rows, _ in counts[2]["answered"]["mood"].values())
    held = len(views.split_side(ws.ledger, settled[2].batch, "holdout"))
    assert 100 < asked <= trained[2] + held


def test_turned_labels_are_concept_drift_and_every_batch_since_is_a_look(tmp_path: Path) -> None:
    root = founded(tmp_path / "root")
    for seed in (1, 2):
        settle(root, batch(tmp_path / f"b{seed}.jsonl", seed))
    turned = [settle(root, batch(tmp_path / f"t{seed}.jsonl", seed, flip=True)) for seed in (3, 4)]
    ws = open_workspace(root)
    champion = views.champion(ws.ledger)
    assert champion is not None and [each.action for each in turned] == ["rejected"] * 2
    for each in turned:
        concept = findings(ws, each)["concept"]
        assert concept["drifted"] and concept["effect"] > 30
        assert len(concept["examples"]) == 5
        assert len(_since(ws, champion, each.batch)) == 1  # the other one, never itself
    sound = settle(root, batch(tmp_path / "b5.jsonl", 5))
    assert not findings(ws, sound)["concept"]["drifted"]


@pytest.mark.parametrize(("policy", "action"), [("note", "promoted"), ("hold", "held")])
def test_a_check_has_a_policy_of_its_own(tmp_path: Path, policy: str, action: str) -> None:
    params = PARAMS.replace(DRIFT, f"drift: {{policies: {{labels: {policy}}}}}")
    root = founded(tmp_path / "root", params)
    settle(root, batch(tmp_path / "b1.jsonl", 1, 300))
    found = settle(root, lopsided(tmp_path / "b2.jsonl", 2))
    assert found.action == action
    assert findings(open_workspace(root), found)["labels"]["drifted"]


def test_with_every_check_ignored_nothing_is_compared_but_counts_go_on(tmp_path: Path) -> None:
    root = founded(tmp_path / "root", PARAMS.replace(DRIFT, "drift: {policy: ignore}"))
    settled = [settle(root, batch(tmp_path / f"b{seed}.jsonl", seed, 60)) for seed in (1, 2)]
    document = evidence(open_workspace(root), settled[1])
    assert document["drift"] is None and document["notes"] == []
    assert sum(document["counts"]["seen"]["mood"].values()) > 40


def test_words_are_in_the_report_and_nowhere_in_the_evidence(tmp_path: Path) -> None:
    root = founded(tmp_path / "root")
    settle(root, batch(tmp_path / "b1.jsonl", 1, 300))
    odd = [{**row, "text": f"voucher {row['text']} refund"} for row in rows(2)]
    settled = settle(root, write_jsonl(tmp_path / "b2.jsonl", odd))
    ws = open_workspace(root)
    document = evidence(ws, settled)
    assert any(each["drifted"] for each in document["drift"])
    assert "voucher" not in str(document)
    page = report_path(ws, settled.batch, document["bundle"]).read_text(encoding="utf-8")
    assert "more frequent words" in page and "voucher" in page
