"""Pools: what disagreements and labels of single inputs show."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gate import Examination, Outcome, Rules, judge
from components.gate.evidence import decide_again, record
from components.gate.pool_counts import effect, open_items, tally
from components.gate.verdicts import UNASKED, Answers, Differing, ExamResult, PoolResult, Said

RULES = Rules(3.0, 6.0)


def differing(place: int, given: Said = UNASKED, **more: object) -> Differing:
    values = {"champion": "a", "candidate": "b", "anchor": "a", **more}
    return Differing(f"{place:064x}", given=given, **values)  # type: ignore[arg-type]


def pool(size: int, said: list[Said], **more: object) -> PoolResult:
    rows = [differing(place, each) for place, each in enumerate(said)]
    values = {"known": True, "in_batch": True, **more}
    return PoolResult("t#pool", "t", size, rows, **values)  # type: ignore[arg-type]


LOST, WON, TIE, OPEN = Said("a"), Said("b"), Said("c"), Said()
UNCLEAR, NEITHER = Said(unclear=True), Said(none_of=frozenset("ab"))


def outcome(result: PoolResult, check: str = "forgetting") -> Outcome:
    decision = judge(Examination([], [], pools=[result]), RULES)
    return next(v.outcome for v in decision.verdicts if v.check == check)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (LOST, "worse"),
        (WON, "better"),
        (TIE, "neither"),
        (NEITHER, "neither"),
        (UNCLEAR, "unclear"),
        (OPEN, "open"),
        (Said(none_of=frozenset("a")), "open"),
    ],
)
def test_a_label_says_which_of_two_models_is_right(said: Said, what: str) -> None:
    assert effect(differing(1, said), "champion") == what
    assert effect(differing(1, said, champion="b"), "champion") is None


def test_no_label_is_asked_for_where_even_losing_all_of_them_passes() -> None:
    few = pool(1000, [OPEN] * 10)
    decision = judge(Examination([], [], pools=[few]), RULES)
    assert decision.action == "promote"
    assert all(verdict.open_labels == 0 for verdict in decision.verdicts)


def test_labels_are_asked_for_where_they_can_decide_and_no_longer() -> None:
    many = pool(1000, [OPEN] * 50)
    decision = judge(Examination([], [], pools=[many]), RULES)
    assert decision.action == "hold" and "ratchet label" in decision.headline
    assert decision.verdicts[0].open_labels == 50
    won = pool(1000, [WON] * 25 + [OPEN] * 25)
    assert judge(Examination([], [], pools=[won]), RULES).action == "promote"
    lost = pool(1000, [LOST] * 49 + [OPEN])
    hopeless = judge(Examination([], [], pools=[lost]), RULES).verdicts[0]
    assert hopeless.outcome is Outcome.FAIL and hopeless.open_labels == 0


def test_a_hold_asks_for_as_many_labels_as_there_are_inputs_however_many_comparisons() -> None:
    decision = judge(Examination([], [], pools=[pool(1000, [OPEN] * 120)]), RULES)
    held = [verdict for verdict in decision.verdicts if verdict.open_labels]
    assert [verdict.check for verdict in held] == ["forgetting", "anchor"]
    assert "up to 120)" in decision.headline


def test_a_pool_that_does_not_decide_asks_for_no_label() -> None:
    items = [f"{n:064x}" for n in range(2000)]
    same, worse = Answers(items, [True] * 2000), Answers(items, [n > 62 for n in range(2000)])
    exam = ExamResult("t", "t", same, worse, same, known=True, in_batch=True)
    decision = judge(Examination([exam], [], pools=[pool(1000, [OPEN] * 50)]), RULES)
    assert decision.action == "hold" and any(each.open_labels for each in decision.verdicts)
    assert "ratchet label" not in decision.headline


def test_who_can_not_tell_counts_as_lost_for_passing_and_as_gained_for_failing() -> None:
    assert outcome(pool(1000, [UNCLEAR] * 30)) is Outcome.INCONCLUSIVE
    assert outcome(pool(1000, [UNCLEAR] * 90)) is Outcome.INCONCLUSIVE
    assert outcome(pool(1000, [LOST] * 90)) is Outcome.FAIL


def test_answers_that_contradict_each_other_widen_the_bounds() -> None:
    said = [WON] * 20 + [LOST] * 20
    trusted, doubted = pool(1000, said), pool(1000, said, repeats=10, conflicts=8)
    assert outcome(trusted) is Outcome.PASS
    assert tally(doubted, "champion").slips == 16
    assert outcome(doubted) is Outcome.INCONCLUSIVE


@given(st.lists(st.sampled_from([LOST, WON, TIE, UNCLEAR, OPEN]), max_size=80), st.integers(0, 9))
def test_what_is_decided_with_some_labels_is_decided_with_all(said: list[Said], seed: int) -> None:
    """Stopping early costs nothing: no completion of what is open changes the outcome."""
    size, pick = 600, Random(seed)
    before = judge(Examination([], [], pools=[pool(size, said)]), RULES).verdicts[0]
    filled = [pick.choice([LOST, WON, TIE, UNCLEAR]) if each == OPEN else each for each in said]
    after = judge(Examination([], [], pools=[pool(size, filled)]), RULES).verdicts[0]
    if before.outcome is not Outcome.INCONCLUSIVE or not before.open_labels:
        assert after.outcome is before.outcome


def test_one_label_serves_every_pair_of_models() -> None:
    each = differing(1, Said("a"), anchor="c")
    assert effect(each, "champion") == "worse" and effect(each, "anchor") == "neither"
    assert open_items(pool(10, [OPEN, LOST]), ["champion", "anchor"]) == [f"{0:064x}"]


def test_a_pool_that_a_model_did_not_answer_is_missing_and_never_promotes() -> None:
    silent = pool(1000, [], unanswered=frozenset({"champion"}))
    decision = judge(Examination([], [], pools=[silent]), RULES)
    assert decision.action == "reject" and decision.verdicts[0].outcome is Outcome.MISSING


def test_what_may_be_a_new_label_does_not_count_among_the_inputs() -> None:
    rows = [differing(n, candidate="new", restricted={"champion": "a"}) for n in range(100)]
    widened = PoolResult("t#pool", "t", 1000, rows, known=True, in_batch=True)
    assert tally(widened, "champion").size == 900
    old = [replace(row, given=Said("a")) for row in rows]
    assert tally(replace(widened, differing=old), "champion").size == 1000
    assert tally(replace(widened, differing=old), "restricted").worse == 100


def test_the_document_of_a_pool_gives_the_same_decision() -> None:
    said = [LOST, WON, TIE, UNCLEAR, OPEN, NEITHER] * 6
    examination = Examination([], [], pools=[pool(700, said, repeats=4, conflicts=1)], look=2)
    decision = judge(examination, RULES)
    document = record(examination, RULES, decision)
    again, differs = decide_again(document)
    assert again == decision and not differs
    kinder = {**document, "pools": [{**document["pools"][0], "n": 7000}]}
    assert decide_again(kinder)[1]


def with_new_label(draw: Random, place: int) -> Differing:
    """Return an input that a candidate which knows the label `n` answers in some way."""
    among = draw.choice("ab")
    rows = {"champion": draw.choice("ab"), "anchor": draw.choice("ab")}
    candidate = draw.choice([among, "n", "n"])
    said = draw.choice([OPEN, OPEN, Said("a"), Said("n"), Said("other"), UNCLEAR, NEITHER])
    restricted = {"champion": among, "anchor": among}
    return Differing(
        f"{place:064x}", given=said, candidate=candidate, restricted=restricted, **rows
    )


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(0, 300))
def test_with_new_labels_no_completion_changes_what_was_decided(
    seed: int, some: int, more: int
) -> None:
    """Whatever the labels of a pool, it is judged; and what passes or fails does so with all."""
    draw = Random(seed)
    rows = [with_new_label(draw, place) for place in range(some)]
    before = PoolResult("t#pool", "t", some + more, rows, known=True, in_batch=True)
    full = [
        each if each.given != UNASKED else replace(each, given=Said(draw.choice("abn")))
        for each in rows
    ]
    after = replace(before, differing=full)
    for check in ("forgetting", "anchor", "competition"):
        now = outcome(before, check)
        if now in (Outcome.PASS, Outcome.FAIL):
            assert outcome(after, check) is now
