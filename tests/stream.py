"""A tiny stream: made-up sentences of two moods on a tiny random base, learned in a second."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

from components.demo.tiny_base import write_tiny_base
from components.operations import holdouts
from components.pipeline import arrival
from components.pipeline.preparation import Settled
from components.workspace.root import open_workspace

GOOD = "good great fine nice lovely".split()
BAD = "bad awful poor sad ugly".split()
FILLER = "table chair river stone cloud alpha beta gamma delta epsilon zeta eta theta iota".split()
WORDS = [*GOOD, *BAD, *FILLER]

PARAMS = """
model: {name: tiny, base: base, max_tokens: 16}
training:
  {epochs: 6, threads: 1, precision: float32, learning_rate: 0.003, head_learning_rate: 0.03,
  warmup_steps: 2, min_steps: 0, pool_below: 0}
holdout: {first_fraction: 0.0}
strategy: {method: replay, update_share: 1.0, replay_ratio: 1.0, distillation: 0.0}
data: {min_rows: 10, settle_seconds: 0}
adapter: {layers: 1, target_modules: all-linear}
drift: {permutations: 20}
"""


def make_root(root: Path, params: str = PARAMS) -> Path:
    """Write settings and a tiny base into `root` and return it."""
    root.mkdir(parents=True, exist_ok=True)
    write_tiny_base(root / "base", WORDS, hidden=32)
    (root / "params.yaml").write_text(params, encoding="utf-8")
    return root


def copied(root: Path, target: Path) -> Path:
    """Copy a root, let MLflow's addresses follow as the first command there would; return it."""
    shutil.copytree(root, target)
    open_workspace(target).unprepared_registry().follow_root()
    return target


def rows(seed: int, n: int = 120, flip: bool = False) -> list[dict[str, str]]:
    """Return `n` sentences: three words of a mood, then filler. `flip` turns the labels round."""
    pick = random.Random(seed)
    made = []
    for _ in range(n):
        label = pick.choice(["pos", "neg"])
        mood = GOOD if label == "pos" else BAD
        words = [pick.choice(mood) for _ in range(3)] + [pick.choice(FILLER) for _ in range(3)]
        if flip:
            label = "neg" if label == "pos" else "pos"
        made.append({"text": " ".join(words), "label": label})
    return made


def write_jsonl(path: Path, values: list[dict[str, Any]]) -> Path:
    """Write rows as JSONL and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def batch(path: Path, seed: int, n: int = 120, flip: bool = False) -> Path:
    """Write a batch file and return its path."""
    return write_jsonl(path, rows(seed, n, flip))


def settle(root: Path, file: Path, task: str = "mood") -> Settled:
    """Take a file in and run it through the flow's body, without Prefect."""
    from flows.retrain import run_batch

    ws = open_workspace(root)
    return run_batch(ws, arrival.arrive(ws, file, task).batch)


def add_exam(root: Path, file: Path, task: str = "mood") -> holdouts.Added:
    """Make a file's items an exam."""
    ws = open_workspace(root)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        return holdouts.add(ws, lease, file, task)
