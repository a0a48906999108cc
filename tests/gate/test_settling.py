"""What a hold asks for: brought at once, it settles the batch at its next look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gate import Decision, Examination, ExamResult, NewTask, Rules, judge
from components.gate.paired_statistics import Changes, upper_bound
from components.gate.policies import CheckRules, Groups
from components.gate.settling import MOST_ITEMS, grown, items_to_pass
from components.gate.verdicts import DriftNote, PoolResult
from tests.gate.test_decision import answers, exam
from tests.gate.test_pools import LOST, OPEN, TIE, WON, pool

RULES = Rules(3.0, 6.0)


def named(decision: Decision) -> dict[str, int]:
    """Return of what how many more items the decision asks for."""
    found = (re.match(r"([\d,]+) more items? of ([^:]+):", way) for way in decision.settle)
    return {each[2]: int(each[1].replace(",", "")) for each in found if each}


def brought(counts: Sequence[tuple[int, int, int]], more: dict[str, int]) -> list[ExamResult]:
    """Return the exams with more items at the same rates, charged for having held the batch."""
    return [
        exam(f"t{place}", *_at(Changes(*each), more.get(f"t{place}", 0)), turned_away=1)
        for place, each in enumerate(counts)
    ]


def _at(seen: Changes, more: int) -> tuple[int, int, int]:
    items = seen.items + more
    return ceil(seen.worse * items / seen.items), seen.better * items // seen.items, items


COUNTS = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(70, 900))


@settings(deadline=None, max_examples=60)
@given(st.lists(COUNTS, min_size=1, max_size=3), st.integers(0, 2))
def test_with_what_is_asked_for_and_the_same_rates_the_next_look_promotes(
    counts: list[tuple[int, int, int]], look: int
) -> None:
    exams = [exam(f"t{place}", *each) for place, each in enumerate(counts)]
    decision = judge(Examination(exams, [], look=look), RULES)
    assert bool(decision.settle) == (decision.action == "hold")
    within = all(Changes(*each).loss < 0.025 for each in counts)
    if decision.action == "hold" and within:
        more = named(decision)
        assert more
        after = Examination(brought(counts, more), [], look=look + 1)
        assert judge(after, RULES).action == "promote"


def test_it_asks_for_the_whole_refill_and_not_for_what_this_look_would_have_taken() -> None:
    """A tenth of alpha is left, so what this look lacked would be held again."""
    seen = Changes(8, 6, 300)
    more = named(judge(Examination([exam("t0", 8, 6, 300)], []), RULES))["t0"]
    at_this_look = items_to_pass(seen, 0.03, RULES.at_look(0).alpha) - seen.items
    assert 0 < at_this_look < more
    few = Examination(brought([(8, 6, 300)], {"t0": at_this_look // 2}), [], look=1)
    assert judge(few, RULES).action == "hold"


def test_an_exam_that_passes_now_is_asked_for_items_too_where_the_next_look_would_hold() -> None:
    exams = [exam("t0", 8, 6, 300), exam("t1", 0, 0, 120)]
    decision = judge(Examination(exams, []), RULES)
    assert {v.exam: v.outcome for v in decision.verdicts if v.check == "forgetting"} == {
        "t0": "INCONCLUSIVE",
        "t1": "PASS",
    }
    assert named(decision).keys() == {"t0", "t1"}
    alone = judge(Examination([exam("t1", 0, 0, 120)], []), RULES)
    assert alone.action == "promote" and not alone.settle


@given(st.integers(0, 30), st.integers(0, 30), st.integers(70, 2000), st.floats(1e-4, 0.1))
@settings(deadline=None)
def test_the_number_suffices_at_its_level(worse: int, better: int, n: int, level: float) -> None:
    seen = Changes(worse, better, n)
    wanted = items_to_pass(seen, 0.03, level)
    if wanted < MOST_ITEMS:
        assert wanted >= n and upper_bound(grown(seen, wanted), level) < 0.03
    else:
        assert seen.loss > 0.02


def test_what_is_seen_beyond_the_margin_is_not_said_to_be_settled_by_more_items() -> None:
    (way,) = judge(Examination([exam("t0", 10, 0, 200)], []), RULES).settle
    assert way.startswith("a look at the batch: on t0 it seems to lose the margin or more")


def test_what_was_learned_of_labels_is_asked_for_at_the_next_look() -> None:
    parts = [
        NewTask("t", answers([n < 3 for n in range(8)]), None, 1 / 12, known=False, label=label)
        for label in "ab"
    ]
    decision = judge(Examination([], [replace(parts[0], candidate=answers([True, False]))]), RULES)
    assert named(decision)["t, label a"] > 0
    held = judge(Examination([], [replace(each, majority_share=0.3) for each in parts]), RULES)
    (subject,) = named(held)
    assert subject == "t, 2 new labels together"


def test_labels_are_counted_once_and_items_are_not_asked_for_where_labels_settle() -> None:
    decision = judge(Examination([], [], pools=[pool(1000, [OPEN] * 120)]), RULES)
    assert decision.settle == ("labels of up to 120 inputs: `ratchet label`",)


def test_a_pool_whose_labels_cannot_settle_it_asks_for_inputs_that_do() -> None:
    said = [LOST] * 10 + [WON] * 8 + [TIE] * 4
    decision = judge(Examination([], [], pools=[pool(300, said)]), RULES)
    (way,) = decision.settle
    assert "in the pool of t: `ratchet pool add FILE --task t`" in way
    more = int(way.partition(" more inputs")[0].replace(",", ""))
    share = (300 + more) / 300
    larger = [LOST] * ceil(10 * share) + [WON] * int(8 * share) + [TIE] * int(4 * share)
    after: PoolResult = pool(300 + more, larger, turned_away=1)
    assert judge(Examination([], [], pools=[after], look=1), RULES).action == "promote"


@pytest.mark.parametrize(
    ("name", "setting"),
    [("new labels", "`drift.policies.new_labels: note`"), ("concept", "`drift.concept_hold")],
)
def test_a_drift_finding_asks_for_a_person_and_names_the_setting(name: str, setting: str) -> None:
    note = DriftNote(name, True, "hold", f"{name} drifted.")
    decision = judge(Examination([exam("t0", 0, 0, 900)], [], [note]), RULES)
    assert decision.action == "hold"
    (way,) = decision.settle
    assert way.startswith("a look at the batch") and setting in way


def test_rows_of_batches_can_be_waited_for_or_an_exam_brought() -> None:
    decision = judge(Examination([replace(exam("t0#batches", 1, 1, 120), task="t0")], []), RULES)
    (way,) = decision.settle
    assert re.match(r"an exam of [\d,]+ items of t0: `ratchet holdout add", way)
    assert "or wait: rows held out of later batches join t0#batches" in way


def test_a_label_that_seems_to_lose_too_much_asks_for_a_person() -> None:
    rules = replace(RULES, checks=CheckRules(classes=Groups("reject", 10.0, 20)))
    sat = exam("t0", 8, 4, 1000)
    labels = {item: "b" for item in sat.champion.items}  # type: ignore[union-attr]
    labels |= {f"i{place:05d}": "a" for place in (*range(5), *range(900, 926))}
    decision = judge(Examination([replace(sat, labels=labels)], []), rules)
    way = "a look at classes of t0, label a: if it may be so, change `gate.checks.classes`"
    assert decision.action == "hold" and decision.settle == (way,)


def test_a_known_task_without_an_exam_asks_for_one() -> None:
    given = answers([True] * 30)
    part = NewTask("t", given, given, 0.5, known=True)
    (way,) = judge(Examination([], [part]), RULES).settle
    assert way.startswith("an exam of ") and way.endswith(
        " items of t: `ratchet holdout add FILE --task t --fill`"
    )
