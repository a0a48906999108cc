"""Small batches that are held are trained together: four files of 50 rows do what one of 200 does."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from components.demo.tiny_base import write_tiny_base
from components.errors import ConfigError
from components.items import read_items
from components.ledger import views
from components.operations.explanation import explain
from components.operations.quarantine_release import release_any
from components.operations.verification import verify
from components.pipeline.preparation import Settled
from components.pipeline.promotion import promote
from components.workspace.batch_files import items_path
from components.workspace.root import Workspace, open_workspace
from flows.intake import drain
from flows.retrain import run_batch
from tests.command import ratchet
from tests.stream import FILLER, PARAMS, add_exam, batch, make_root, rows, settle, write_jsonl

KEYS = {label: [f"{label}{n}" for n in range(30)] for label in ("up", "down")}
DEFAULTS = """
model: {name: tiny, base: base, max_tokens: 16}
data: {settle_seconds: 0}
training: {threads: 1, precision: float32, device: cpu}
"""
POOLING = PARAMS.replace("pool_below: 0", "pool_below: 200")


def keyed(seed: int, n: int = 50) -> list[dict[str, str]]:
    """Rows whose label hangs on one word of many: a few rows teach little about the others."""
    pick, made = random.Random(seed), []
    for _ in range(n):
        label = pick.choice(sorted(KEYS))
        words = [pick.choice(KEYS[label]), *(pick.choice(FILLER) for _ in range(4))]
        made.append({"text": " ".join(words), "label": label})
    return made


def statuses(ws: Workspace) -> dict[str, str]:
    return {each.source: each.status for each in views.arrivals(ws.ledger)}


def sides(ws: Workspace, batch: str) -> tuple[set[str], set[str]]:
    train, held = (set(views.split_side(ws.ledger, batch, side)) for side in ("train", "holdout"))
    return train, held


def held_then(root: Path, *files: str, flip: bool = False, n: int = 60) -> list[Settled]:
    """Settle batches of `n` rows against an exam that can't tell."""
    return [
        settle(root, batch(root / name, 50 + place, n, flip and place == 0))
        for place, name in enumerate(files)
    ]


@pytest.fixture
def undecided(tmp_path: Path) -> Path:
    """A root whose champion has an exam too small to let anything pass."""
    root = make_root(tmp_path / "root", f"{POOLING}\ngate: {{margin_points: 0.1}}\n")
    assert settle(root, batch(root / "first.jsonl", 1, 300)).action == "promoted"
    return root


def test_four_files_of_50_rows_end_in_a_champion(tmp_path: Path) -> None:
    """With the defaults; alone, each of them stays undecided."""
    root = make_root(tmp_path / "root", DEFAULTS)
    write_tiny_base(root / "base", [*KEYS["up"], *KEYS["down"], *FILLER], hidden=32)
    files = [write_jsonl(root / f"f{seed}.jsonl", keyed(seed)) for seed in range(4)]
    settled = [settle(root, file) for file in files]
    assert settled[0].action == "held" and settled[-1].action == "promoted"
    assert settled[-1].pooled == ("f0.jsonl", "f1.jsonl", "f2.jsonl", "f3.jsonl")
    ws = open_workspace(root)
    assert views.champion(ws.ledger) is not None
    assert [statuses(ws)[file.name] for file in files] == ["pooled"] * 4
    assert verify(ws, deep=True).findings == ()
