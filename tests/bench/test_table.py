"""From kept runs to columns: checked by hand on a small stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.bench.page import Beside, write_page
from components.bench.plan import METHOD_ROWS, STRATEGY_ROWS, cells
from components.bench.refusals import Refusal
from components.bench.remarks import how_often_learned, same_answers
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
    assert first.found["final accuracy"] == pytest.approx((75.0, 17.678), abs=0.001)
    assert (first.seeds, refused.refused) == (2, "it needs osf")
    assert "75.0 ± 17.7" in markdown([first, refused], ["final accuracy"])


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


def written(runs: list[Any], folder: Path, **beside: Any) -> str:
    """Return the page of these runs."""
    told = {"count": "Some.", "about": "About.", "latencies": {}, "refusals": [], **beside}
    write_page(runs, Beside(**told), folder / "bench.md", folder / "bench")
    return (folder / "bench.md").read_text(encoding="utf-8")


def test_the_page_is_written_from_what_is_kept(tmp_path: Path) -> None:
    runs = [kept(row, seed) for row in ("sequential", "joint", "replay") for seed in (0, 1)]
    runs += [{**kept("osf"), "refused": "it needs osf"}]
    text = written(runs, tmp_path, refusals=[Refusal("merge", "osf", "no mean")])
    assert "| sequential | 62.5 |" in text and "**osf**: it needs osf" in text
    assert text.startswith("# The bench\n\nSome.\n\n") and "| merge | osf | no mean |" in text
    assert (tmp_path / "bench" / "sentiment-over-time.png").stat().st_size > 1000


def test_rows_are_compared_on_the_seeds_that_both_have(tmp_path: Path) -> None:
    text = written([kept("replay", 0), kept("hybrid", 1), kept("joint", 1)], tmp_path)
    assert "| sentiment | hybrid | joint |" in text
    assert "| sentiment | replay | joint |" not in text


def test_seconds_are_compared_on_one_kind_of_processor_alone(tmp_path: Path) -> None:
    def timed(row: str, seed: int, seconds: float, **values: Any) -> Any:
        run = kept(row, seed, **values)
        for step in run["steps"]:
            step["seconds"] = seconds
        return run

    old, new = {"processor": "AVX2"}, {"processor": "AVX512"}
    runs = [timed("joint", 0, 4.0, **old), timed("joint", 1, 9.0, **old), timed("joint", 2, 7.0)]
    both = [timed("hybrid", 0, 1.0, **old), timed("hybrid", 1, 5.0, **new)]
    none = [timed("analytic", 0, 1.0, **new), timed("analytic", 2, 1.0, **new)]
    unnoted = [timed("sequential", 2, 3.5)]
    text = written([*runs, *both, *none, *unnoted], tmp_path)
    shares = {
        line.split(" | ")[1]: line.split(" | ")[-1]
        for line in text.splitlines()
        if line.startswith("| sentiment |")
    }
    assert shares == {"hybrid": "0.25 |", "analytic": "- |", "sequential": "0.50 |"}
    assert text.count("no seed were both runs made on the same kind of processor") == 1
    assert "| 12.0 ± 11.3 | AVX2, AVX512 |" not in text and "| AVX2, AVX512 |" in text


def test_what_has_no_rows_is_said_to_be_not_measured(tmp_path: Path) -> None:
    text = written([kept()], tmp_path)
    assert text.count("Not measured yet.") == 5  # methods, answering, and the three claims
    assert "CLINC150 is not measured on this page" in text
    assert "|---|---|---:|---|---|\n\n" not in text


def test_what_is_measured_stands_beside_the_published_figures(tmp_path: Path) -> None:
    text = written([kept("analytic", classes=True, stream="clinc150")], tmp_path)
    assert "| analytic, on this page (one seed) | 62.5 | - |" in text
    assert "Banking77 is not among the streams" in text and "not measured on this" not in text


def test_a_row_of_earlier_settings_says_so(tmp_path: Path) -> None:
    text = written([kept("joint"), kept("hybrid", earlier=True)], tmp_path)
    assert "| hybrid (measured with earlier settings) | 62.5 |" in text
    assert "| sentiment | hybrid (measured with earlier settings) | joint |" in text
    assert "joint (measured" not in text


def test_rows_that_answer_alike_are_named() -> None:
    other = kept("other")
    other["steps"][1]["right"] = ["1111", "1111"]
    runs = [kept("one"), other, kept("two"), kept("late", 1), {**kept("no"), "refused": "no"}]
    del runs[-1]["steps"]
    (told,) = same_answers(runs, "strategies", ["sentiment", "reuters"])
    assert told.endswith(": `one` = `two` (sentiment).")
    two_seeds = [kept("one"), kept("one", 1), kept("two"), {**other, "row": "two", "seed": 1}]
    assert not list(same_answers(two_seeds, "strategies", ["sentiment"]))


def test_how_often_an_adapter_learned_is_counted() -> None:
    idle = kept("hybrid", stream="reuters")
    for step in idle["steps"]:
        step["steps"] = 0
    (told,) = how_often_learned([kept("hybrid"), idle], "hybrid", ["sentiment", "reuters"])
    assert told.endswith(": 2 of 2 on sentiment, none of 2 on reuters.")
    assert not list(how_often_learned([kept("replay")], "hybrid", ["sentiment"]))
