"""What exams can tell, against the gate itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.gate import Answers, Examination, ExamResult, Rules, judge
from components.gate.paired_statistics import holm, holm_rows
from components.gate.planning import (
    TIES,
    Sitting,
    decide,
    draw,
    forecast,
    items_needed,
    labels_asked,
    outcomes,
)

RULES = Rules(3.0, 6.0)


def exam(name: str, worse: int, better: int, items: int) -> ExamResult:
    names = [str(place) for place in range(items)]
    before = [place >= better for place in range(items)]
    after = [place < items - worse for place in range(items)]
    champion = Answers(names, before)
    return ExamResult(name, name, champion, Answers(names, after), champion, True, in_batch=True)


@pytest.mark.parametrize("items", [40, 400])
def test_arrays_are_judged_as_the_gate_judges(items: int) -> None:
    random = np.random.default_rng(1)
    names = ("a", "b", "c")
    counts = [draw(items, 0.1, np.full(60, 0.03), random) for _ in names]
    worse, better = (np.stack(part, axis=-1) for part in zip(*counts, strict=True))
    alpha = RULES.at_look(0).alpha
    against = ((3.0, alpha), (6.0, RULES.anchor_alpha(0)))
    found = [
        outcomes(worse, better, items, margin / 100, alpha, level) for margin, level in against
    ]
    rejected, promoted = decide(found, alpha)
    for place in range(60):
        exams = [
            exam(name, int(worse[place, column]), int(better[place, column]), items)
            for column, name in enumerate(names)
        ]
        action = judge(Examination(exams, []), RULES).action
        assert (action == "reject", action == "promote") == (rejected[place], promoted[place])


def test_holm_on_rows_is_holm() -> None:
    values = np.random.default_rng(0).random((20, 5)) ** 3
    for row, adjusted in zip(values, holm_rows(values), strict=True):
        assert adjusted == pytest.approx(holm(list(row)))


@pytest.mark.parametrize(("churn", "exams"), [(0.03, 1), (0.08, 20)])
def test_the_items_that_are_asked_for_let_four_of_five_harmless_updates_pass(
    churn: float, exams: int
) -> None:
    items = items_needed(Sitting("", 1, churn), exams, RULES)
    sat = [Sitting(str(place), items, churn) for place in range(exams)]
    assert forecast(sat, 0.0, RULES, seed=5).promoted == pytest.approx(0.81, abs=0.03)
    fewer = [Sitting(each.exam, items * 2 // 3, churn) for each in sat]
    assert forecast(fewer, 0.0, RULES, seed=5).promoted < 0.75


def test_a_loss_of_the_margin_is_seldom_promoted_and_a_large_one_is_rejected() -> None:
    sat = [Sitting(str(place), 1000, 0.08) for place in range(20)]
    assert forecast(sat, 0.03, RULES).promoted <= 0.055
    assert forecast(sat, 0.09, RULES).rejected > 0.95


def test_a_worn_exam_and_a_far_anchor_ask_for_more_items() -> None:
    fresh = Sitting("", 1, 0.02)
    worn, far = replace(fresh, charged=20), replace(fresh, anchor_churn=0.2)
    needed = [items_needed(each, 5, RULES) for each in (fresh, worn, far, replace(far, charged=20))]
    assert needed[0] <= needed[1] <= needed[3] and needed[2] < needed[3]
    sat = [replace(far, exam=str(place), items=needed[2]) for place in range(5)]
    assert forecast(sat, 0.0, RULES, seed=5).promoted == pytest.approx(0.81, abs=0.03)


def test_a_planned_exam_stays_finite_however_many_it_refused() -> None:
    """Fault: at a million refusals the quantile of the level was no number."""
    fresh = items_needed(Sitting("", 1, 0.05), 1, RULES)
    assert fresh < items_needed(Sitting("", 1, 0.05, charged=10**6), 1, RULES) < 10_000


def test_exams_of_no_use_hold_what_is_harmless() -> None:
    assert forecast([Sitting("a", 50, 0.08)], 0.0, RULES).held > 0.5
    assert forecast([], 0.0, RULES).promoted == 1.0


def test_an_exam_that_does_not_decide_need_not_be_passed_and_can_reject() -> None:
    brought, own = Sitting("t", 1000, 0.02), Sitting("t#batches", 48, 0.04)
    alone = forecast([brought], 0.0, RULES).promoted
    assert forecast([brought, own], 0.0, RULES).promoted < 0.12 < 0.9 < alone
    backed = forecast([brought, replace(own, decides=False)], 0.0, RULES).promoted
    assert backed == pytest.approx(alone, abs=0.02)
    large = Sitting("t#batches", 2000, 0.04, decides=False)
    bad = forecast([Sitting("t", 100, 0.02), large, Sitting("u", 2000, 0.02)], 0.1, RULES)
    assert bad.rejected > 0.95, "what one task loses, all its exams see"


@pytest.mark.parametrize(
    ("inputs", "churn", "median", "nine_in_ten", "none"),
    [(625, 0.05, 37, 48, 0.0), (250, 0.12, 38, 47, 0.0), (1000, 0.01, 0, 0, 0.95)],
)
def test_labels_are_forecast_as_the_simulation_counts_them(
    inputs: int, churn: float, median: int, nine_in_ten: int, none: float
) -> None:
    """The wanted figures are those of docs/gate.md, part 10, which asks one label after another.

    There the churn counts answers that became right or wrong, here ties as well.
    """
    found = labels_asked(inputs, churn / (1 - TIES), RULES)
    assert found.median == pytest.approx(median, abs=2)
    assert found.nine_in_ten == pytest.approx(nine_in_ten, abs=3)
    assert found.none == pytest.approx(none, abs=0.03)


def test_no_label_is_forecast_where_nothing_differs_and_all_where_none_could_tell() -> None:
    assert labels_asked(1000, 0.0, RULES).none == 1.0
    assert labels_asked(1000, 0.0, RULES).nine_in_ten == 0
    few = labels_asked(20, 0.1, RULES)
    assert few.nine_in_ten <= 20
