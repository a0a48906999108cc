"""Cases that must keep their answers."""

from __future__ import annotations

import pytest

from components.gate import Decision, Outcome
from components.gate.policies import Behaviour
from components.gate.verdicts import CaseResult, CaseResults
from tests.gate.extra_checks.given import answers, decide, exam, found, rules

RULES = rules(behaviour=Behaviour("reject"))


def tried(*pairs: tuple[bool | None, bool | None]) -> Decision:
    """Judge cases (right before, right now), on lines 1, 2, ..."""
    cases = [
        CaseResult(line, "tweets", f"reason {line}", before, after)
        for line, (before, after) in enumerate(pairs, 1)
    ]
    one = answers([True] * 200)
    return decide(exam(one, one), RULES, cases=CaseResults("f" * 64, cases))


def test_one_broken_case_rejects_and_is_named_with_its_reason() -> None:
    decision = tried((True, True), (True, False), (True, True))
    assert decision.action == "reject"
    assert "broken: line 2 (reason 2)" in decision.headline


def test_kept_cases_pass() -> None:
    [verdict] = found(tried((True, True), (True, True)), "behaviour")
    assert (verdict.outcome, verdict.n) == (Outcome.PASS, 2)


def test_a_case_that_the_champion_gets_wrong_binds_nobody_and_is_noted() -> None:
    decision = tried((True, True), (False, False), (None, False), (False, True))
    kept, noted = found(decision, "behaviour")
    assert decision.action == "promote"
    assert kept.outcome is Outcome.PASS and kept.n == 1
    assert noted.consequence == "note" and "line 2 (reason 2), line 3 (reason 3)" in noted.sentence


@pytest.mark.parametrize("before", [True, False, None])
def test_a_case_without_an_answer_is_missing(before: bool | None) -> None:
    decision = tried((True, True), (before, None))
    assert decision.action == "reject"
    assert found(decision, "behaviour")[0].outcome is Outcome.MISSING


def test_a_file_without_cases_is_missing_and_no_file_is_no_check() -> None:
    assert tried().action == "reject"
    one = answers([True] * 200)
    assert found(decide(exam(one, one), RULES), "behaviour") == []
