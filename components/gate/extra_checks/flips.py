"""How many answers changed from right to wrong, regardless of gains elsewhere?

Concept: people who rely on an answer notice that it broke, not that another one was fixed. The
share of such items is bounded exactly (`binomial`) and held against a limit.
Source: Yan et al. 2021, Positive-Congruent Training (CVPR), which calls them negative flips.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.exam_names import spoken
from components.gate.answer_pairs import Comparison, count_changes
from components.gate.binomial import binomial_bounds, p_value_not_above
from components.gate.comparison import missing
from components.gate.policies import NegativeFlips
from components.gate.questions import Finding, Question, outcome_of
from components.gate.sentences import number
from components.gate.verdicts import REQUESTS, Examination, ExamResult, Outcome, Rules, Verdict


def check_flips(examination: Examination, rule: NegativeFlips, rules: Rules) -> Iterator[Finding]:
    """Yield a finding per exam. PASS: the upper bound of the share is below the limit."""
    for exam in examination.compared():
        yield _flips(exam, rule, rules.alpha)


def _flips(exam: ExamResult, rule: NegativeFlips, alpha: float) -> Finding:
    asked = Comparison(
        "negative_flips",
        exam.task,
        exam.exam,
        spoken(exam.exam),
        "the champion",
        exam.champion,
        exam.candidate,
        rule.limit_points,
        alpha,
        REQUESTS[rule.policy],
    )
    changes = count_changes(asked)
    if isinstance(changes, str):
        return missing(asked, changes)
    flips, items = changes.worse, changes.items
    return Question(
        p_value_not_above(flips, items, rule.limit_points / 100),
        asked.requests[Outcome.FAIL] == "note",
        lambda real: _verdict(asked, flips, items, real),
    )


def _verdict(asked: Comparison, flips: int, items: int, real: bool) -> Verdict:
    lower, upper = (100 * bound for bound in binomial_bounds(flips, items, asked.level))
    share, limit = 100 * flips / items, asked.margin_points
    outcome = outcome_of(upper < limit, real)
    ending = {
        Outcome.PASS: "within",
        Outcome.FAIL: "above",
    }.get(outcome, "too few items to tell whether this is within")
    return Verdict(
        asked.check,
        asked.task,
        asked.exam,
        outcome,
        asked.requests[outcome],
        f"{asked.subject}: {flips or 'none'} of {items:,} answers changed from right to "
        f"wrong, {number(share, limit)} % (at least {number(lower, limit)} %, at most "
        f"{number(upper, limit)} %): {ending} the limit of {number(limit)} %.",
        effect_points=share,
        lower_points=lower,
        upper_points=upper,
        margin_points=limit,
        n=items,
        right_to_wrong=flips,
        level=asked.level,
    )
