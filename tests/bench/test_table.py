"""From kept runs to columns: checked by hand on a small stream."""

from __future__ import annotations

from typing import Any

import pytest

from components.bench.page import write_page
from components.bench.plan import METHOD_ROWS, STRATEGY_ROWS, cells
from components.bench.table import difference, figures, flips_of, lines, markdown, matrix_of
from components.evaluation import metrics
from components.settings import Settings


def kept(row: str = "sequential", seed: int = 0, classes: bool = False, **values: Any) -> Any:
    """Two tasks of four items: the second one's learning costs the first one two of three."""
    rights = [["1110", "1000"], ["1000", "1111"]]
    steps = [
        {
            "right": right[: place + 1] if classes else right,
            "seconds": 1.5,
            "bytes": 2000,
            "learning_bytes": 100,
            "steps": 3,
        }
        for place, right in enumerate(rights)
    ]
    return {
        "table": "strategies",
        "row": row,
        "stream": "sentiment",
        "seed": seed,
        "tasks": ["a", "b"],
        "classes": classes,
        "untrained": [0.5, 0.25],
        "steps": steps,
        "trainable": 7,
        "peak_megabytes": None,
        **values,
    }


def test_every_column_is_what_its_formula_says() -> None:
    found = figures(kept(), None)
    assert found["final accuracy"] == pytest.approx(100 * (0.25 + 1) / 2)
    assert found["over time"] == pytest.approx(100 * (0.75 + 0.625) / 2)
    assert found["forgetting"] == pytest.approx(50)
    assert found["backward"] == pytest.approx(-50)
    assert found["forward"] == pytest.approx(0)  # 0.25 before it was learned, 0.25 untrained
    assert found["intransigence"] is None
    assert found["CPU s"] == 3.0 and found["kB a version"] == 2.0


def test_intransigence_is_against_joint_training_at_the_same_step() -> None:
    joint = kept("joint, 4 x epochs")
    joint["steps"][1]["right"][1] = "1110"
    assert figures(kept(), joint)["intransigence"] == pytest.approx(100 * (0 + (0.75 - 1)) / 2)


def test_flips_count_what_was_right_and_is_wrong_now() -> None:
    assert flips_of(kept()) == pytest.approx(0.5)
    assert metrics.negative_flips([True, True, False], [False, True, True]) == pytest.approx(1 / 3)
    with pytest.raises(ValueError):
        metrics.negative_flips([True], [])


def test_where_classes_come_with_their_task_nothing_is_asked_before() -> None:
    found = figures(kept(classes=True), None)
    assert found["forward"] is None
    assert matrix_of(kept(classes=True)).rows[0] == (0.75, None)


def test_a_row_has_mean_and_spread_over_seeds_and_a_refused_one_none() -> None:
    other = kept(seed=1)
    other["steps"][1]["right"] = ["1110", "1111"]
    runs = [kept(), other, {**kept("osf"), "refused": "it needs osf"}]
    first, refused = lines(runs, "strategies", "sentiment")
    assert first.found["final accuracy"] == pytest.approx((75.0, 12.5))
    assert (first.seeds, refused.refused) == (2, "it needs osf")
    assert "75.0 ± 12.5" in markdown([first, refused], ["final accuracy"])


def test_a_difference_has_an_interval_that_holds_it() -> None:
    better = kept("replay")
    better["steps"][1]["right"] = ["1110", "1111"]
    found = difference([better], [kept()], draws=200)
    assert found["final"]["points"] == pytest.approx(25)
    assert found["final"]["low"] <= 25 <= found["final"]["high"]
    same = difference([kept()], [kept()], draws=50)
    assert (same["final"]["low"], same["final"]["high"]) == (0, 0)


def test_every_row_of_the_plan_is_legal_and_has_a_name_of_its_own() -> None:
    for rows in (METHOD_ROWS, STRATEGY_ROWS):
        assert len({row.name for row in rows}) == len(rows)
        for row in rows:
            Settings.model_validate({"adapter": row.adapter, "strategy": row.strategy})
    methods = {kind["method"] for kind in (row.adapter for row in METHOD_ROWS)}
    strategies = {kind["method"] for kind in (row.strategy for row in STRATEGY_ROWS)}
    from components.model.adapters import METHODS
    from components.training.strategies import STRATEGIES

    assert methods == METHODS.keys() and strategies == STRATEGIES.keys()
    assert len(list(cells())) == 3 * (4 * len(STRATEGY_ROWS) + len(METHOD_ROWS))


def test_the_page_is_written_from_what_is_kept(tmp_path: Any) -> None:
    runs = [kept(row, seed) for row in ("sequential", "joint", "replay") for seed in (0, 1)]
    runs += [{**kept("osf"), "refused": "it needs osf"}]
    write_page(runs, {}, "About.", tmp_path / "bench.md", tmp_path / "bench")
    text = (tmp_path / "bench.md").read_text()
    assert "| sequential | 62.5 |" in text and "**osf**: it needs osf" in text
    assert (tmp_path / "bench" / "sentiment-over-time.png").stat().st_size > 1000


def test_rows_are_compared_on_the_seeds_that_both_have(tmp_path: Any) -> None:
    runs = [kept("replay", 0), kept("hybrid", 1), kept("joint", 1)]
    write_page(runs, {}, "About.", tmp_path / "bench.md", tmp_path / "bench")
    text = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert "| sentiment | hybrid | joint |" in text
    assert "| sentiment | replay | joint |" not in text
