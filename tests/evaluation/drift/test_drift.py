"""Drift: found when it is there, not found when it is not, never guessed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation.drift import DRIFT_CHECKS, Side, examine
from components.settings import DriftPolicies, DriftSettings, parse_settings
from tests.evaluation.sides import RULES, Past, compared, drifted, embeddings, find, labels, side

NAMES = [check.name for check in DRIFT_CHECKS]


def test_more_of_the_same_is_no_drift() -> None:
    found = find(compared(side(1, 300), side(2, 250)))
    assert drifted(found) == set()
    assert all(each.sentence.startswith("No drift:") for each in found.values() if each.examined)


def test_identical_rows_never_drift() -> None:
    one = side(1, 60)
    found = find(compared(one, one))
    assert drifted(found) == set()
    assert found["labels"].effect == 0


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(60)), st.permutations(range(60)))
def test_the_order_of_the_rows_changes_nothing(one: list[int], other: list[int]) -> None:
    def shuffled(rows: Side, order: list[int]) -> Side:
        columns = (
            [column[row] for row in order] for column in (rows.items, rows.contents, rows.labels)
        )
        return Side(*columns, rows.embeddings[order])

    earlier, batch = side(1, 60), side(2, 60, shift=0.7)
    mixed = compared(shuffled(earlier, one), shuffled(batch, other))
    assert examine(mixed, RULES, 0) == examine(compared(earlier, batch), RULES, 0)


def test_the_same_seed_gives_the_same_findings_and_another_draws_anew() -> None:
    given = compared(side(1), side(2))
    assert find(given, seed=3) == find(given, seed=3)
    assert find(given, seed=3) != find(given, seed=4)


def test_false_alarms_of_a_whole_batch_are_as_rare_as_alpha_even_without_floors() -> None:
    floors = {
        check.floor: 0.5 if check.name == "domain_classifier" else 0.0 for check in DRIFT_CHECKS
    }
    rules = parse_settings({"drift": {**floors, "alpha": 0.2, "sample_items": 40}}, "").drift
    alarms = 0
    for seed in range(150):
        random = np.random.default_rng(seed)
        held, own = (
            {"t": {name: (rows, int(random.binomial(rows, 0.2))) for name in "ab"}}
            for rows in (40, 20)
        )
        past = Past(held=held, answered=own)
        given = compared(side(2 * seed, 40), side(2 * seed + 1, 40), past)
        alarms += bool(drifted(find(given, rules, seed)))
    assert 3 <= alarms <= 42  # at most 30 are expected, and two and a half standard errors


def test_a_difference_that_is_certain_but_small_is_no_drift() -> None:
    seen, now = {"t": {"a": 50_000, "b": 50_000}}, {"t": {"a": 51_000, "b": 49_000}}
    found = find(compared(side(1), side(2), Past(seen, now)))["labels"]
    assert (found.adjusted_p or 1) < 0.05 and not found.drifted


def test_a_difference_that_is_large_but_likely_by_chance_is_no_drift() -> None:
    seen, now = {"t": {"a": 14, "b": 8}}, {"t": {"a": 8, "b": 14}}
    found = find(compared(side(1, 22), side(2, 22), Past(seen, now)))["labels"]
    assert (found.effect or 0) > found.threshold and not found.drifted


def test_of_many_checks_each_needs_more_than_one_alone() -> None:
    given = compared(side(1), side(2), Past({"t": {"a": 60, "b": 40}}, {"t": {"a": 45, "b": 55}}))
    alone = parse_settings(
        {"drift": {"policy": "ignore", "policies": {"labels": "note"}}}, ""
    ).drift
    together, single = find(given)["labels"], find(given, alone)["labels"]
    assert set(find(given, alone)) == {"labels"}
    assert single.adjusted_p == single.p_value
    assert (together.adjusted_p or 0) > (together.p_value or 1)


def test_what_is_ignored_is_not_examined_and_a_policy_of_its_own_wins() -> None:
    rules = parse_settings(
        {"drift": {"policy": "hold", "policies": {"mmd": "ignore", "labels": "reject"}}}, ""
    ).drift
    found = find(compared(side(1), side(2)), rules)
    assert "mmd" not in found and len(found) == len(DRIFT_CHECKS) - 1
    assert found["labels"].policy == "reject" and found["length"].policy == "hold"


def test_every_check_has_a_floor_a_policy_and_a_place_in_the_documents() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[3] / "docs" / "drift.md").read_text(encoding="utf-8")
    assert set(DriftPolicies.model_fields) == {*NAMES, "pool"}
    for check in DRIFT_CHECKS:
        assert isinstance(getattr(RULES, check.floor), float)
        assert f"| `{check.name}` |" in page and f"`{check.floor}`" in page


def test_few_permutations_are_raised_until_alpha_can_be_reached() -> None:
    rules = DriftSettings(permutations=20, alpha=0.01)
    found = find(compared(side(1), side(2, shift=3.0)), rules)
    assert found["domain_classifier"].drifted


@pytest.mark.parametrize(
    ("earlier", "batch", "why"),
    [
        (side(1, 19), side(2, 300), "19 rows per side are too few"),
        (side(1, 0), side(2, 300), "0 rows per side are too few"),
        (side(1, 50), replace(side(2, 50), embeddings=embeddings(50, 2)[:, :8]), "shapes"),
        (side(1, 50), replace(side(2, 50), embeddings=embeddings(50, 2) * np.nan), "not finite"),
    ],
)
def test_what_cannot_be_examined_says_so(earlier: Side, batch: Side, why: str) -> None:
    found = find(compared(earlier, batch))
    for name in ("domain_classifier", "mmd", "outliers"):
        assert why in found[name].sentence
        assert not found[name].examined and not found[name].drifted
        numbers = ("statistic", "p_value", "adjusted_p", "effect")
        assert [getattr(found[name], number) for number in numbers] == [None] * 4


def test_identical_texts_and_one_label_are_no_drift_and_no_crash() -> None:
    same = replace(side(1, own=labels(40), texts=["x"] * 40), embeddings=np.ones((40, 8)))
    found = find(compared(same, same))
    assert drifted(found) == set()
    assert found["mmd"].examined and found["outliers"].examined and found["length"].examined


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 60), st.integers(20, 60), st.integers(0, 1000))
def test_every_number_is_finite_and_in_its_range(left: int, right: int, seed: int) -> None:
    answers: Any = {"t": {"a": (30, seed % 30)}}
    past = Past(held=answers, answered=answers)
    for each in find(compared(side(seed, left), side(seed + 1, right), past)).values():
        if each.examined:
            assert each.statistic is not None and np.isfinite(each.statistic)
            assert each.p_value is not None and 0 < each.p_value <= 1
            assert each.adjusted_p is not None and each.p_value <= each.adjusted_p <= 1
            assert each.effect is not None and 0 <= each.effect <= 100
            assert len(each.examples) <= 5 and set(each.examples) <= set(
                side(seed + 1, right).items
            )


def test_words_are_told_where_something_drifted_and_kept_out_of_the_findings() -> None:
    texts = [f"voucher refund number {place}" for place in range(100)]
    told = examine(compared(side(1, 100), side(2, 100, 2.0, texts=texts)), RULES, 0)
    assert {"voucher", "refund", "number"} <= set(told.words.more)
    assert set(told.words.less) & {"table", "chair", "river"}
    kept = str([[getattr(each, field.name) for field in fields(each)] for each in told.findings])
    assert "voucher" not in kept
    assert examine(compared(side(1), side(2)), RULES, 0).words.more == ()
