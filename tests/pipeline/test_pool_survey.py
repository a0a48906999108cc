"""What may be wrong with a pool is said, and decides nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.evaluation.drift import Side
from components.pipeline.pool_survey import independent
from components.pipeline.preparation import Settled
from components.workspace.root import open_workspace
from tests.pipeline.test_drift_survey import DRIFT, evidence, founded
from tests.pools import add_pool
from tests.stream import PARAMS, batch, rows, settle, write_jsonl


def sides(distinct: int, of_each: int) -> Side:
    """Return inputs of which `of_each` say the same."""
    vectors = np.random.default_rng(0).normal(size=(distinct, 64))
    many = np.repeat(vectors, of_each, axis=0)
    unit = many / np.linalg.norm(many, axis=1, keepdims=True)
    names = [str(place) for place in range(len(unit))]
    return Side(names, names, names, unit)


@pytest.mark.parametrize(("distinct", "of_each"), [(200, 1), (50, 4), (20, 10)])
def test_inputs_that_say_the_same_count_as_one(distinct: int, of_each: int) -> None:
    found = independent(sides(distinct, of_each), distinct * of_each)
    assert found == pytest.approx(distinct, rel=0.01)


def told(root: Path, settled: Settled) -> list[tuple[bool | None, str]]:
    decision = evidence(open_workspace(root), settled)["decision"]
    return [
        (each["outcome"] == "PASS", each["sentence"])
        for each in decision["verdicts"]
        if each["check"] == "drift" and each["task"].startswith("pool of")
    ]


def grown(root: Path, inputs: list[str], policy: str = "note") -> list[tuple[bool | None, str]]:
    params = PARAMS.replace(DRIFT, f"{DRIFT[:-1]}, policies: {{pool: {policy}}}}}")
    made = founded(root, params)
    settle(made, batch(made / "b1.jsonl", 1))
    add_pool(made, write_jsonl(made / "pool.jsonl", [{"text": text} for text in inputs]), "mood")
    return told(made, settle(made, batch(made / "b2.jsonl", 2)))


def test_a_pool_of_what_arrives_is_fine(tmp_path: Path) -> None:
    [(fine, sentence)] = grown(tmp_path / "root", [row["text"] for row in rows(500, 200)])
    assert fine and "looks like the held-out rows" in sentence


def test_a_pool_of_another_kind_is_said(tmp_path: Path) -> None:
    other = [f"invoice {place} paid on day {place % 28} by card" for place in range(120)]
    [(fine, sentence)] = grown(tmp_path / "root", other)
    assert not fine and "of another kind than the held-out rows (AUC " in sentence


def test_with_policy_ignore_no_pool_is_looked_at(tmp_path: Path) -> None:
    assert grown(tmp_path / "root", ["paid"] + [row["text"] for row in rows(5, 60)], "ignore") == []
