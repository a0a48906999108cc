"""Answers of real models: every version of the demo's stream, on every exam.

The stream is learned batch by batch with `replay`, three seeds; each
version answers the four exams of 800 items. Kept is whether it was right, item by item: an
item that some versions get right and others wrong is hard, and the histories draw hardness
from here.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from tests.page import DOCS, Section

KEPT = DOCS / "gate" / "answers.json"
SEEDS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Told:
    """One exam of one seed. `right`: bool, (versions, items), oldest version first."""

    seed: int
    exam: str
    right: Any


def answers() -> list[Told]:
    """Return what `measure` kept."""
    found = json.loads(KEPT.read_text(encoding="utf-8"))
    return [
        Told(each["seed"], each["exam"], np.array([[b == "1" for b in r] for r in each["right"]]))
        for each in found
    ]


def hardness(told: list[Told]) -> Any:
    """Return each item's chance to be answered rightly, (items,), smoothed by half a version."""
    return np.concatenate([(t.right.sum(0) + 0.5) / (len(t.right) + 1) for t in told])


def measure(folder: Path, plots: Path) -> Section:
    """Learn the stream with every seed and keep the answers."""
    told = [each for seed in SEEDS for each in _learn(seed, folder)]
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "seed": each.seed,
            "exam": each.exam,
            "right": ["".join("01"[bool(bit)] for bit in row) for row in each.right],
        }
        for each in told
    ]
    KEPT.write_text(json.dumps(rows, indent=0) + "\n", encoding="utf-8")
    churn = [
        float((before != after).mean()) for each in told for before, after in pairwise(each.right)
    ]
    text = (
        f"{sum(len(each.right) for each in told if each.exam == told[0].exam)} versions,"
        f" {sum(each.right.shape[1] for each in told):,} items. From one version to the next"
        f" {100 * float(np.median(churn)):.1f} % of the answers change (median;"
        f" {100 * min(churn):.1f} to {100 * max(churn):.1f} %). The last versions answer"
        f" {100 * mean(float(each.right[-1].mean()) for each in told):.1f} % correctly."
    )
    return Section("Real models' answers", [], text)


def _learn(seed: int, folder: Path) -> list[Told]:
    import torch

    from tests.speed.stream import settings_of, story_of, versions
    from tests.speed.update import Worker, as_items

    torch.set_num_threads(1)
    story = story_of(seed)
    exams = {name: as_items(rows, name) for name, rows in story["exams"].items()}
    right: dict[str, list[list[bool]]] = {name: [] for name in exams}
    with tempfile.TemporaryDirectory(dir=folder) as own:
        worker = Worker(settings_of(story), Path(own))
        for learned in versions(story, worker):
            for name, items in exams.items():
                right[name].append([bool(r) for r in worker.answers(learned.bundle, items).correct])
    return [Told(seed, name, np.array(rows)) for name, rows in right.items()]
