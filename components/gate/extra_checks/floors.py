"""Is the candidate good enough, regardless of earlier versions?

Concept: for a task that has a floor, the share of right answers to its exams is bounded exactly
and held against it. A task without an exam is held to its floor on the batch's own held-out rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.gate.answer_pairs import by_item
from components.gate.binomial import binomial_bounds, p_value_not_below
from components.gate.policies import Floors
from components.gate.questions import Finding, Question, outcome_of
from components.gate.sentences import number
from components.gate.verdicts import (
    REQUESTS,
    Answers,
    Examination,
    Outcome,
    Requests,
    Rules,
    Verdict,
)


def check_floors(examination: Examination, rule: Floors, rules: Rules) -> Iterator[Finding]:
    """Yield a finding per exam of a task that has a floor.

    PASS: the lower bound of the accuracy reaches the floor; FAIL: the upper one does not. A task
    of which nothing was examined is MISSING: a floor that nobody looks at keeps nothing.
    """
    for task, percent in sorted(rule.percent.items()):
        found = list(_sat(examination, task))
        for exam, answers in found:
            yield _floor(task, exam, answers, percent, rule, rules.alpha)
        if not found:
            yield _unseen(task, rule)


def _unseen(task: str, rule: Floors) -> Verdict:
    why = (
        f"{task}: not checked against its floor, because this task was not examined. Correct "
        "its name"
        " in gate.checks.floors.percent, or remove it until the task exists."
    )
    requests = REQUESTS[rule.policy]
    return Verdict("floors", task, "", Outcome.MISSING, requests[Outcome.MISSING], why)


def _sat(examination: Examination, task: str) -> Iterator[tuple[str, Answers | None]]:
    """Yield (exam, the candidate's answers); an empty name for the rows of the batch."""
    exams = [exam for exam in examination.exams if exam.task == task]
    yield from ((exam.exam, exam.candidate) for exam in exams)
    parts = [part for part in examination.learned if part.task == task and part.label is None]
    yield from (("", part.candidate) for part in parts if not exams)


@dataclass(frozen=True, slots=True)
class _Held:
    """So many right answers of so many, held to a floor."""

    task: str
    exam: str
    right: int
    items: int
    percent: float


def _floor(
    task: str, exam: str, answers: Answers | None, percent: float, rule: Floors, alpha: float
) -> Finding:
    requests, given = REQUESTS[rule.policy], by_item(answers, "the candidate's")
    if isinstance(given, str):
        why = f"{exam or task}: not checked against its floor, because {given}."
        return Verdict("floors", task, exam, Outcome.MISSING, requests[Outcome.MISSING], why)
    held = _Held(task, exam, sum(given.values()), len(given), percent)
    return Question(
        p_value_not_below(held.right, held.items, percent / 100),
        requests[Outcome.FAIL] == "note",
        lambda real: _verdict(held, requests, alpha, real),
    )


def _verdict(held: _Held, requests: Requests, alpha: float, real: bool) -> Verdict:
    lower, upper = (100 * bound for bound in binomial_bounds(held.right, held.items, alpha))
    share, floor = 100 * held.right / held.items, held.percent
    outcome = outcome_of(lower >= floor, real)
    ending = {
        Outcome.PASS: "at or above",
        Outcome.FAIL: "below",
    }.get(outcome, "too few items to tell whether this reaches")
    return Verdict(
        "floors",
        held.task,
        held.exam,
        outcome,
        requests[outcome],
        f"{held.exam or held.task}: the candidate answers {held.right:,} of {held.items:,} "
        f"items correctly, {number(share, floor)} % (at least {number(lower, floor)} %, at "
        "most "
        f"{number(upper, floor)} %): {ending} its floor of {number(floor)} %.",
        effect_points=floor - share,
        lower_points=floor - upper,
        upper_points=floor - lower,
        margin_points=0.0,
        n=held.items,
        level=alpha,
    )
