"""Held batches are trained together: four files of 50 rows do what one of 200 does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.demo.tiny_base import write_tiny_base
from components.errors import ConfigError
from components.items import read_items
from components.ledger import views
from components.operations.explanation import explain
from components.operations.quarantine_release import release_any
from components.operations.verification import verify
from components.pipeline.held import WAIT
from components.pipeline.promotion import promote
from components.workspace.batch_files import items_path
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.command import ratchet
from tests.stream import FILLER, PARAMS, batch, make_root, rows, settle, write_jsonl

KEYS = {label: [f"{label}{n}" for n in range(20)] for label in ("up", "down", "left", "right")}
OLD, NEW = ("down", "up"), ("left", "right")
DEFAULTS = """
model: {name: tiny, base: base, max_tokens: 16}
data: {settle_seconds: 0}
strategy: {method: replay}
training: {threads: 1, precision: float32, device: cpu}
"""

POOLING = PARAMS.replace("pool_below: 0", "pool_below: 200")
STRICT = "gate: {margin_points: 0.1}\n"


def keyed(
    seed: int, n: int = 50, labels: Sequence[str] = OLD, keys: int = 20
) -> list[dict[str, str]]:
    """Rows whose label hangs on one word of many: a few rows teach little about the others."""
    pick, made = random.Random(seed), []
    for _ in range(n):
        label = pick.choice(labels)
        words = [pick.choice(KEYS[label][:keys]), *(pick.choice(FILLER) for _ in range(4))]
        made.append({"text": " ".join(words), "label": label})
    return made


def default_root(folder: Path) -> Path:
    """A root with a tiny base that knows every word."""
    faster = "cpu, learning_rate: 0.003, head_learning_rate: 0.03"  # for a random base
    root = make_root(folder / "root", DEFAULTS.replace("cpu", faster))
    words = [word for keys in KEYS.values() for word in keys]
    write_tiny_base(root / "base", [*words, *FILLER], hidden=32)
    return root


def statuses(ws: Workspace) -> dict[str, str]:
    return {each.source: each.status for each in views.arrivals(ws.ledger)}


def sides(ws: Workspace, batch: str) -> tuple[set[str], set[str]]:
    train, held = (set(views.split_side(ws.ledger, batch, side)) for side in ("train", "holdout"))
    return train, held


@pytest.fixture
def undecided(tmp_path: Path) -> Path:
    """A root whose champion has an exam too small to let anything pass."""
    root = make_root(tmp_path / "root", POOLING.replace("drift:", STRICT + "drift:"))
    assert settle(root, batch(root / "first.jsonl", 1, 300)).action == "promoted"
    return root


def test_four_files_of_50_rows_end_in_a_champion(tmp_path: Path) -> None:
    """By itself the first one stays undecided."""
    root = default_root(tmp_path)
    files = [write_jsonl(root / f"f{seed}.jsonl", keyed(seed, keys=14)) for seed in range(4)]
    settled = [settle(root, file) for file in files]
    assert settled[0].action == "held"
    ws = open_workspace(root)
    lineage = [each.batch for each in views.lineage(ws.ledger) if each.batch is not None]
    assert any(len(views.members(ws.ledger, batch)) >= 2 for batch in lineage)
    assert verify(ws, deep=True).findings == []


def test_two_new_labels_in_120_rows_are_learned(tmp_path: Path) -> None:
    """Fault: with the defaults none of their held-out rows was answered correctly."""
    root = default_root(tmp_path)
    assert settle(root, write_jsonl(root / "old.jsonl", keyed(1, 300, keys=3))).action == "promoted"
    settled = settle(root, write_jsonl(root / "new.jsonl", keyed(2, 120, NEW, keys=3)))
    assert settled.version is not None
    verdicts = explain(open_workspace(root), settled.version)["verdicts"]
    new = [
        each for each in verdicts if each["check"] == "learned" and ", label " in each["sentence"]
    ]
    assert [each["outcome"] for each in new] == ["PASS", "PASS"], settled.headline


def test_a_held_batch_is_trained_together_with_the_next_one(undecided: Path) -> None:
    first = settle(undecided, batch(undecided / "a.jsonl", 50, 60))
    assert first.action == "held" and not first.pooled
    assert WAIT in first.settle
    ws = open_workspace(undecided)
    _, held_out = sides(ws, first.batch)
    settled = settle(undecided, batch(undecided / "b.jsonl", 51, 60))
    assert (settled.source, settled.pooled) == ("pooled: a.jsonl + b.jsonl", ("a.jsonl", "b.jsonl"))
    train, held = sides(ws, settled.batch)
    second = views.arrivals(ws.ledger)[2]
    assert held >= held_out | sides(ws, second.batch)[1], "what was held out stays held out"
    assert len(train) + len(held) == 120
    assert statuses(ws) == {
        "first.jsonl": "promoted", "a.jsonl": "pooled", "b.jsonl": "pooled",
        settled.source: "held",
    }  # fmt: skip
    assert [version.status for version in views.versions(ws.ledger)] == [
        "champion", "superseded", "held",
    ]  # fmt: skip
    assert second.reason == f"trained as part of batch {settled.batch[:12]}"
    assert second.version is None, "it is not trained by itself"
    shown = ws.registry.version(2)
    assert shown is not None and shown.tags["ratchet.status"] == "superseded"
    explained = ratchet(ws.root, "version", "explain", "2").out
    assert "its batch was trained together with others, into version 3" in explained
    assert "is held now: `ratchet version explain 3`" in explained
    assert "another version came into force" not in explained
    with pytest.raises(ConfigError, match="Version 2 is superseded: its batch was trained as part"):
        with ws.ledger.lease("tiny", 5) as lease:
            promote(ws, lease, 2)
    assert settled.version is not None
    facts = explain(ws, settled.version)
    assert [each["source"] for each in facts["pooled"]] == ["a.jsonl", "b.jsonl"]
    assert verify(ws, deep=True).findings == []


@pytest.mark.slow
def test_a_pooled_batch_that_is_still_small_is_pooled_again_and_a_large_one_is_not(
    undecided: Path,
) -> None:
    settled = [
        settle(undecided, batch(undecided / f"{name}.jsonl", 50 + place, 90))
        for place, name in enumerate("abcde")
    ]
    assert [len(each.pooled) for each in settled] == [0, 2, 3, 0, 2]
    assert settled[4].pooled == ("d.jsonl", "e.jsonl"), "a, b and c have 200 training rows"
    ws = open_workspace(undecided)
    assert [each.source for each in views.members(ws.ledger, settled[2].batch)] == [
        "a.jsonl", "b.jsonl", "c.jsonl",
    ]  # fmt: skip
    assert views.pooled_into(ws.ledger, settled[0].batch) == settled[2].batch
    large = settle(undecided, batch(undecided / "large.jsonl", 70, 300))
    assert large.pooled == (), "nor does a large one take small ones along"


@pytest.mark.parametrize("why", ["off", "another task", "approval"])
def test_what_is_not_pooled(undecided: Path, why: str) -> None:
    params = undecided / "params.yaml"
    text = params.read_text()
    if why == "approval":  # the person may approve it yet
        text = text.replace(
            "margin_points: 0.1", "margin_points: 40, anchor_margin_points: 40, approval: always"
        )
    params.write_text(text.replace("pool_below: 200", "pool_below: 0") if why == "off" else text)
    assert settle(undecided, batch(undecided / "a.jsonl", 50, 60)).action == "held"
    task = "tone" if why == "another task" else "mood"
    settled = settle(undecided, batch(undecided / "b.jsonl", 51, 60), task)
    assert (settled.source, settled.pooled) == ("b.jsonl", ())


def test_a_batch_that_waits_for_labels_alone_is_not_pooled(waiting: Path) -> None:
    """Its questions would be void, and people may be answering them."""
    params = waiting / "params.yaml"
    params.write_text(params.read_text().replace("pool_below: 0", "pool_below: 200"))
    settled = settle(waiting, batch(waiting / "b3.jsonl", 51, 60))
    assert settled.pooled == ()
    ws = open_workspace(waiting)
    first = views.version(ws.ledger, 2)
    assert first is not None and first.status == "held"


def test_a_rejected_pool_is_released_whole_or_member_by_member(undecided: Path) -> None:
    params = undecided / "params.yaml"  # without replay, the turned labels are learned at once
    params.write_text(params.read_text().replace("{method: replay", "{method: none"))
    good = settle(undecided, batch(undecided / "good.jsonl", 50, 60))
    pool = settle(undecided, batch(undecided / "bad.jsonl", 51, 180, flip=True))
    assert (good.action, pool.action, len(pool.pooled)) == ("held", "rejected", 2)
    ws = open_workspace(undecided)
    bad = next(each for each in views.arrivals(ws.ledger) if each.source == "bad.jsonl")
    with ws.ledger.lease("tiny", 5) as lease:
        released = release_any(ws, lease, good.batch[:12])
    assert (released.batch, released.rows) == (good.batch, 60)
    again = run_batch(ws, good.batch)
    assert (again.batch, again.action, again.pooled) == (good.batch, "held", ())
    with ws.ledger.lease("tiny", 5) as lease:
        assert release_any(ws, lease, pool.batch[:12]).batch == pool.batch
        with pytest.raises(ConfigError, match=r"is trained as part of batch .* which is queued"):
            release_any(ws, lease, bad.batch[:12])
    assert run_batch(ws, pool.batch).action == "rejected"
    assert verify(ws, deep=True).findings == []


def test_rows_that_members_share_are_trained_on_once(undecided: Path) -> None:
    shared = rows(50, 30)
    settle(undecided, write_jsonl(undecided / "a.jsonl", [*shared, *rows(51, 30)]))
    settled = settle(undecided, write_jsonl(undecided / "b.jsonl", [*shared, *rows(52, 30)]))
    items = read_items(items_path(open_workspace(undecided), settled.batch))
    assert len(settled.pooled) == 2 and len(items) == 90


@pytest.mark.usefixtures("prefect_here")
def test_the_command_line_says_which_files_were_trained_together(undecided: Path) -> None:
    settle(undecided, batch(undecided / "a.jsonl", 50, 60))
    file = batch(undecided / "b.jsonl", 51, 60)
    ran = ratchet(undecided, "run", file, "--task", "mood")
    assert ran.code == 3 and "pooled: a.jsonl + b.jsonl" in ran.out
    assert "trained together: a.jsonl, b.jsonl" in ran.out
    assert "trained as part of batch" in ratchet(undecided, "status").out
    explained = ratchet(undecided, "version", "explain", "3").out
    assert explained.count("  pooled: batch ") == 2
    said = ratchet(undecided, "run", file, "--task", "mood", "--json").facts
    assert (said["seen_before"], said["pooled"]) == (True, ["a.jsonl", "b.jsonl"])
