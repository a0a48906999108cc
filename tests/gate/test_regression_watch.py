"""The watch: which regressions it names, and which ancestor it points back to."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gate import Answers, Outcome, Rules, regressions

RULES = Rules(margin_points=3, anchor_margin_points=6)
TASKS = {"tweets": "tweets", "tweets#2": "tweets", "reviews": "reviews", "t": "t"}


def answers(wrong: int, items: int = 800) -> Answers:
    return Answers([f"{i:05d}" for i in range(items)], [i >= wrong for i in range(items)])


def test_the_newest_ancestor_shown_better_is_named() -> None:
    good, bad = answers(40), answers(120)
    lineage = [("5", {"tweets": bad}), ("4", {"tweets": bad}), ("3", {"tweets": good})]
    lineage.append(("2", {"tweets": good}))
    (found,) = regressions(lineage, TASKS, RULES, 0.05)
    assert (found.exam, found.task, found.target) == ("tweets", "tweets", "3")
    assert found.verdict.outcome is Outcome.FAIL
    assert "against version 3, the champion is worse on 80 of 800" in found.verdict.sentence


def test_each_generation_of_an_exam_is_looked_at_by_itself() -> None:
    champion = {"tweets": answers(40), "tweets#2": answers(120), "reviews": answers(40)}
    before = {"tweets": answers(40), "tweets#2": answers(40), "reviews": answers(200)}
    found = regressions([("2", champion), ("1", before)], TASKS, RULES, 0.05)
    assert [(each.exam, each.task) for each in found] == [("tweets#2", "tweets")]


def test_a_real_loss_within_the_margin_is_no_regression() -> None:
    lineage = [("2", {"tweets": answers(48, 20000)}), ("1", {"tweets": answers(8, 20000)})]
    assert regressions(lineage, TASKS, RULES, 0.05) == []


def test_missing_or_other_evidence_shows_nothing() -> None:
    bad = answers(300)
    nan = Answers(bad.items, [float("nan")] * 800)
    for before in ({}, {"tweets": answers(0, 700)}, {"tweets": nan}, {"tweets": Answers([], [])}):
        assert regressions([("2", {"tweets": bad}), ("1", before)], TASKS, RULES, 0.05) == []
    assert regressions([("1", {"tweets": bad})], TASKS, RULES, 0.05) == []
    assert regressions([], TASKS, RULES, 0.05) == []


def test_more_ancestors_ask_for_more_evidence_of_each() -> None:
    champion, before = ("19", {"tweets": answers(50)}), ("18", {"tweets": answers(40)})
    assert regressions([champion, before], TASKS, Rules(2, 6), 0.05)
    many = [(f"{i}", {"tweets": answers(50)}) for i in range(17, 6, -1)]
    assert not regressions([champion, before, *many], TASKS, Rules(2, 6), 0.05)


def test_watching_honest_champions_for_long_names_almost_nobody() -> None:
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(60):
        old, new = rng.random(800) > 0.15, np.zeros(800, dtype=bool)
        new = np.where(rng.random(800) < 0.06, rng.random(800) > 0.15, old)
        items = [f"{i:05d}" for i in range(800)]
        alarms += any(
            regressions(
                [
                    ("2", {"t": Answers(items[:stop], new[:stop])}),
                    ("1", {"t": Answers(items[:stop], old[:stop])}),
                ],
                TASKS,
                RULES,
                0.2,
            )
            for stop in range(50, 801, 50)
        )
    assert alarms <= 12


@settings(max_examples=20, deadline=None)
@given(st.randoms(), st.integers(0, 200))
def test_the_order_of_the_items_never_matters(random: object, wrong: int) -> None:
    one = answers(wrong, 400)
    pairs = list(zip(one.items, one.correct, strict=True))
    random.shuffle(pairs)  # type: ignore[attr-defined]
    mixed = Answers([item for item, _ in pairs], [right for _, right in pairs])
    before = {"tweets": answers(20, 400)}
    straight = regressions([("2", {"tweets": one}), ("1", before)], TASKS, RULES, 0.05)
    assert straight == regressions([("2", {"tweets": mixed}), ("1", before)], TASKS, RULES, 0.05)
