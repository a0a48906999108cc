"""Labels: shares that moved, labels that are new, labels that are gone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, hypergeom

from components.evaluation.drift.labels import new, shares, vanished
from components.evaluation.drift.samples import Chance, Counts
from tests.evaluation.sides import Past, compared, drifted, find, side

MANY = Chance(2000, 0)


def given(seen: Counts, brought: Counts, known: str = "abc") -> object:
    return compared(side(1, 40), side(2, 40), Past(seen, brought, frozenset(known)))


def test_the_statistic_is_the_chi_square_of_scipy() -> None:
    told = shares(
        given({"t": {"a": 70, "b": 50, "c": 30}}, {"t": {"a": 40, "b": 60, "c": 25}}), MANY
    )
    expected = chi2_contingency([[70, 50, 30], [40, 60, 25]])
    assert not isinstance(told, str)
    assert told.statistic == pytest.approx(expected.statistic)
    assert told.p_value == pytest.approx(expected.pvalue, abs=0.03)


@pytest.mark.parametrize("length", [1, 10, 1000])
def test_the_effect_does_not_shrink_with_the_length_of_the_past(length: int) -> None:
    seen = {"t": {"a": 150 * length, "b": 150 * length}}
    told = shares(given(seen, {"t": {"a": 240, "b": 60}}), MANY)
    assert not isinstance(told, str) and told.effect == pytest.approx(0.31, abs=0.01)
    assert "b 50.0 % before, 20.0 % now" in told.moved


def test_other_shares_of_the_tasks_are_no_drift_of_their_labels() -> None:
    seen = {"x": {"a": 900, "b": 100}, "y": {"a": 100, "b": 900}}
    assert not find(given(seen, {"x": {"a": 180, "b": 20}}))["labels"].drifted
    assert not find(given(seen, {"x": {"a": 90, "b": 10}, "y": {"a": 10, "b": 90}}))[
        "labels"
    ].drifted
    assert find(given(seen, {"x": {"a": 20, "b": 180}}))["labels"].drifted


def test_a_new_task_is_held_against_everything_that_was_seen() -> None:
    found = find(given({"x": {"a": 500, "b": 500}}, {"z": {"a": 190, "b": 10}}))["labels"]
    assert found.drifted and found.classes[0].before == 0.5


def test_a_renamed_label_is_new_and_the_old_name_is_gone() -> None:
    found = find(given({"t": {"a": 300, "b": 300}}, {"t": {"a": 50, "B": 50}}, "ab"))
    assert {"new_labels", "vanished_labels", "labels"} <= drifted(found)
    assert "B 0.0 % before, 50.0 % now" in found["new_labels"].sentence
    assert "b 50.0 % before, 0.0 % now" in found["vanished_labels"].sentence


def test_a_batch_of_one_label_only_is_found() -> None:
    found = find(given({"t": {"a": 300, "b": 300, "c": 300}}, {"t": {"a": 25}}))
    assert {"vanished_labels", "labels"} <= drifted(found)


def test_a_rare_label_may_be_absent_and_a_label_known_from_elsewhere_is_not_new() -> None:
    found = find(given({"t": {"a": 500, "b": 490, "c": 10}}, {"t": {"a": 25, "b": 25}}))
    assert not found["vanished_labels"].drifted
    other = {"t": {"a": 500, "b": 500}, "u": {"c": 400}}
    assert find(given(other, {"t": {"a": 20, "b": 20, "c": 20}}))["new_labels"].effect == 0


def test_the_chance_of_an_absence_is_that_of_drawing_none() -> None:
    told = vanished(given({"t": {"a": 90, "b": 10}}, {"t": {"a": 30}}), MANY)
    assert not isinstance(told, str)
    assert told.p_value == pytest.approx(2 * hypergeom.pmf(0, 130, 10, 30))
    came = new(given({"t": {"a": 100}}, {"t": {"a": 27, "z": 3}}), MANY)
    assert not isinstance(came, str)
    assert came.p_value == pytest.approx(2 * hypergeom.pmf(3, 130, 3, 30))


def test_labels_that_come_and_go_by_chance_are_rarely_found() -> None:
    random, alarms = np.random.default_rng(0), 0
    names = [f"l{place}" for place in range(40)]
    for _ in range(100):
        drawn = [random.multinomial(size, [1 / 40] * 40) for size in (400, 60)]
        seen, now = (
            {"t": {name: int(count) for name, count in zip(names, counts, strict=True) if count}}
            for counts in drawn
        )
        told = [test(given(seen, now, ""), MANY) for test in (vanished,)]
        alarms += any(not isinstance(each, str) and each.p_value < 0.05 for each in told)
    assert alarms <= 9
