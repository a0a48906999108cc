"""What may be wrong with a pool is said, and decides nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.pipeline.pool_survey import distinct, independent
from components.pipeline.preparation import Settled
from components.workspace.root import open_workspace
from tests.pipeline.test_drift_survey import DRIFT, evidence, founded
from tests.pools import add_pool
from tests.stream import PARAMS, batch, rows, settle, write_jsonl


@pytest.mark.parametrize(("kinds", "of_each"), [(200, 1), (50, 4), (20, 10)])
def test_inputs_that_say_the_same_count_as_one(kinds: int, of_each: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(kinds, 64))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    many = np.repeat(unit, of_each, axis=0)
    assert independent(many, kinds * of_each) == pytest.approx(kinds, rel=0.01)
    assert distinct(many) == list(range(0, kinds * of_each, of_each))


def told(root: Path, settled: Settled) -> list[tuple[bool | None, str]]:
    decision = evidence(open_workspace(root), settled)["decision"]
    return [
        (each["outcome"] == "PASS", each["sentence"])
        for each in decision["verdicts"]
        if each["check"] == "drift" and each["task"].startswith("pool of")
    ]


def grown(root: Path, inputs: list[str], policy: str = "note") -> Settled:
    params = PARAMS.replace(DRIFT, f"{DRIFT[:-1]}, policies: {{pool: {policy}}}}}")
    made = founded(root, params)
    settle(made, batch(made / "b1.jsonl", 1))
    add_pool(made, write_jsonl(made / "pool.jsonl", [{"text": text} for text in inputs]), "mood")
    return settle(made, batch(made / "b2.jsonl", 2))


def pool_size(root: Path, settled: Settled) -> int:
    """Return how many inputs of the pool decided."""
    [pool] = evidence(open_workspace(root), settled)["pools"]
    return int(pool["n"])


def test_a_pool_of_what_arrives_is_fine(tmp_path: Path) -> None:
    root = tmp_path / "root"
    settled = grown(root, [row["text"] for row in rows(500, 200)])
    [(fine, sentence)] = told(root, settled)
    assert pool_size(root, settled) == 200
    assert fine and "looks like the held-out rows" in sentence


def test_a_pool_of_another_kind_is_said(tmp_path: Path) -> None:
    other = [f"invoice {place} paid on day {place % 28} by card" for place in range(120)]
    [(fine, sentence)] = told(tmp_path / "root", grown(tmp_path / "root", other))
    assert not fine and "of another kind than the held-out rows (AUC " in sentence


ALIKE = [f"{row['text']} " * 3 + str(more) for row in rows(500, 60) for more in range(5)]
"""Nearly the same five times over, and to the ledger five inputs."""


def test_of_inputs_that_say_nearly_the_same_one_of_each_kind_decides(tmp_path: Path) -> None:
    """Fault: each counted for one of its own, so that the bounds were too narrow."""
    root = tmp_path / "root"
    settled = grown(root, ALIKE)
    [(fine, sentence)] = told(root, settled)
    size = pool_size(root, settled)
    assert not fine and f"{size} of 300 decide, one of each kind" in sentence
    assert size <= 60


def test_with_policy_ignore_no_pool_is_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "root"
    settled = grown(root, ALIKE, "ignore")
    assert told(root, settled) == []
    assert pool_size(root, settled) == 300
