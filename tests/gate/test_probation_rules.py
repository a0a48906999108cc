"""Probation: what may come into force undecided, and what is a hold all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gate import Answers, Examination, ExamResult, NewTask, Outcome, Rules, judge
from components.gate.evidence import decide_again, recall, record
from components.gate.policies import CheckRules, NegativeFlips, Policy
from components.gate.probation import covers, rules_to_end
from components.gate.verdicts import DriftNote, Said
from tests.gate.test_decision import answers, exam, exams, worsened
from tests.gate.test_pools import LOST, OPEN, UNCLEAR, WON, pool

HOLD = Rules(3.0, 6.0)
PROBATION = replace(HOLD, undecided="probation")
GRAVITY = {"promote": 0, "probation": 1, "hold": 2, "reject": 3}
UNDECIDED = exam("mood", 2, 1, 90)


def decide(*sat: ExamResult, rules: Rules = PROBATION, **more: Any) -> str:
    learned = more.pop("learned", [])
    return judge(Examination([*sat], learned, **more), rules).action


def test_what_is_open_and_seen_within_the_margin_comes_into_force_only_if_the_rules_say_so() -> (
    None
):
    assert decide(UNDECIDED) == "probation"
    assert decide(UNDECIDED, rules=HOLD) == "hold"
    decision = judge(Examination([UNDECIDED], []), PROBATION)
    assert decision.headline.startswith("Promote on probation: mood: against the champion")


@pytest.mark.parametrize(
    ("worse", "better", "items", "action"),
    [(3, 1, 90, "probation"), (4, 1, 90, "hold"), (0, 0, 90, "probation"), (30, 0, 90, "reject")],
)
def test_a_loss_that_was_seen_must_be_within_the_margin(
    worse: int, better: int, items: int, action: str
) -> None:
    assert decide(exam("mood", worse, better, items)) == action


def test_what_passes_is_promoted_and_what_needs_approval_is_held() -> None:
    assert decide(exam("mood", 0, 0, 900)) == "promote"
    assert decide(UNDECIDED, rules=replace(PROBATION, approval="always")) == "hold"


@pytest.mark.parametrize(
    "more",
    [
        {"drift": [DriftNote("concept", True, "hold", "labels contradict")]},
        {"drift": [DriftNote("mmd", None, "hold", "not examined")]},
        {"learned": [NewTask("news", Answers([], []), None, None, known=False)]},
        {"learned": [NewTask("news", answers([True] * 6), None, 0.5, known=False)]},
    ],
    ids=["drift", "drift not examined", "nothing held out", "too few new rows"],
)
def test_what_holds_for_another_reason_is_a_hold(more: dict[str, Any]) -> None:
    assert decide(UNDECIDED) == "probation"
    assert decide(UNDECIDED, **more) == "hold"


@pytest.mark.parametrize(("lost", "action"), [(12, "probation"), (19, "hold")])
def test_the_anchor_has_a_margin_of_its_own(lost: int, action: str) -> None:
    """Of 300 items that the champion answers alike, the anchor was right on so many more."""
    before = answers([True] * 300)
    now = answers([place >= lost for place in range(300)])
    worse = replace(exam("mood", 0, 0, 300), champion=now, candidate=now, anchor=before)
    decision = judge(Examination([worse], []), PROBATION)
    open_ones = [each.check for each in decision.verdicts if each.consequence == "hold"]
    assert (open_ones, decision.action) == (["anchor"], action)


def test_a_suspected_rename_is_a_hold() -> None:
    """60 of 90 items of a known label that were right go to a label that is new."""
    right = answers([True] * 90)
    taken = {item: "new" for item in right.items[:60]}
    renamed = replace(
        UNDECIDED,
        restricted={"champion": right},
        taken=taken,
        labels=dict.fromkeys(right.items, "old"),
    )
    decision = judge(Examination([renamed], []), PROBATION)
    assert decision.action != "probation"


@pytest.mark.parametrize("policy", ["note", "hold"])
def test_a_failure_that_is_only_noted_speaks_against_probation(policy: Policy) -> None:
    checks = CheckRules(negative_flips=NegativeFlips(policy, limit_points=1.0))
    flipped = exam("mood", 12, 11, 90)
    assert decide(flipped) == "probation"
    assert decide(flipped, rules=replace(PROBATION, checks=checks)) == "hold"


def test_an_anchor_that_could_not_be_asked_is_a_hold() -> None:
    unjudged = replace(UNDECIDED, older=frozenset())
    decision = judge(Examination([unjudged], []), PROBATION)
    assert any(each.outcome is Outcome.MISSING for each in decision.verdicts)
    assert decision.action == "hold"


@pytest.mark.parametrize(
    ("said", "action"),
    [
        ([OPEN] * 8, "probation"),  # 2.7 points if all of them are lost
        ([OPEN] * 9, "hold"),
        ([OPEN] * 90, "hold"),
        ([UNCLEAR] * 9, "hold"),
        ([WON] * 20 + [LOST] * 20 + [OPEN] * 8, "probation"),
        ([WON] * 20 + [LOST] * 21 + [OPEN] * 8, "hold"),
    ],
)
def test_an_input_that_nobody_labelled_counts_as_lost(said: list[Said], action: str) -> None:
    asked = pool(300, said)
    assert judge(Examination([], [], pools=[asked]), PROBATION).action == action


@settings(max_examples=60, deadline=None)
@given(exams(), st.data())
def test_a_worse_answer_never_gives_a_better_action(
    found: list[ExamResult], data: st.DataObject
) -> None:
    assert GRAVITY[decide(*worsened(found, data))] >= GRAVITY[decide(*found)]


@settings(max_examples=30, deadline=None)
@given(exams())
def test_the_setting_turns_holds_into_probation_and_changes_nothing_else(
    found: list[ExamResult],
) -> None:
    before, after = judge(Examination(found, []), HOLD), judge(Examination(found, []), PROBATION)
    assert after.verdicts == before.verdicts
    assert (before.action, after.action) == ("hold", "probation") or after == before


def test_evidence_tells_of_probation_and_replays() -> None:
    examination = Examination([UNDECIDED], [], pools=[pool(300, [OPEN] * 8)])
    decision = judge(examination, PROBATION)
    assert decision.action == "probation"
    document = record(examination, PROBATION, decision)
    assert recall(document)[1] == PROBATION
    again, differs = decide_again(document)
    assert (again.action, differs) == ("probation", [])
    other = {**document, "rules": {**document["rules"], "undecided": "hold"}}
    assert decide_again(other)[1] == ["action", "rules"]
    with pytest.raises(ValueError, match="undecided must be"):
        recall({**document, "rules": {**document["rules"], "undecided": "promote"}})


def test_evidence_says_nothing_of_it_where_the_undecided_is_held() -> None:
    examination = Examination([UNDECIDED], [])
    document = record(examination, HOLD, judge(examination, HOLD))
    assert "undecided" not in document["rules"]
    assert decide_again(document)[1] == []


def test_it_ends_by_the_rules_of_the_gate_once_all_that_was_open_is_examined() -> None:
    ends = rules_to_end(PROBATION)
    assert decide(UNDECIDED, rules=ends) == "hold"
    assert decide(exam("mood", 1, 1, 300), rules=ends) == "promote"
    assert covers(Examination([UNDECIDED], []), ["mood"])
    assert not covers(Examination([UNDECIDED], []), ["mood", "news"])
