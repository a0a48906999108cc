"""Does an answer take longer than the champion takes?

Concept: both answer the same single texts, one right after the other, so what else the machine
does hits both alike. The median of the ratios is bounded by their order alone (the sign test),
so a few slow moments count for nothing.
Source: Conover 1999, Practical Nonparametric Statistics, section 3.2 (quantile test).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from statistics import median

from components.gate.binomial import p_value_not_above
from components.gate.policies import Latency
from components.gate.questions import Finding, Question, outcome_of
from components.gate.sentences import number
from components.gate.verdicts import REQUESTS, Examination, Outcome, Rules, Timing, Verdict


def check_latency(examination: Examination, rule: Latency, rules: Rules) -> Iterator[Finding]:
    """Yield whether the median ratio keeps to the limit; without a champion there is none.

    PASS: its upper bound is at the limit or below; FAIL: more ratios lie above the limit than
    chance would have it if the median did not.
    """
    if any(exam.known for exam in examination.exams):
        yield _latency(examination.timing, rule, rules.alpha)


def ratio_bounds(ratios: Sequence[float], alpha: float) -> tuple[float, float]:
    """Return one-sided bounds of the median ratio, each wrong with chance `alpha` at most.

    They are order statistics: the k-th smallest lies below the median only where k ratios or
    more do, with chance P(Binomial(n, 1/2) >= k). Too few ratios have no bound.
    """
    ordered, items = sorted(ratios), len(ratios)
    safe = (k for k in range(1, items + 1) if p_value_not_above(k, items, 0.5) <= alpha)
    place = next(safe, None)
    if place is None:
        return 0.0, float("inf")
    return ordered[items - place], ordered[place - 1]


def _latency(timing: Timing | None, rule: Latency, alpha: float) -> Finding:
    requests, ratios = REQUESTS[rule.policy], _ratios(timing)
    if isinstance(ratios, str):
        why = f"Latency: not compared with the champion, because {ratios}."
        return Verdict("latency", "", "", Outcome.MISSING, requests[Outcome.MISSING], why)
    slower = sum(ratio > rule.max_ratio for ratio in ratios)

    def answer(real: bool) -> Verdict:
        upper = ratio_bounds(ratios, alpha)[1]
        outcome = outcome_of(upper <= rule.max_ratio, real)
        said = _sentence(ratios, alpha, rule.max_ratio, outcome)
        return Verdict("latency", "", "", outcome, requests[outcome], said, n=len(ratios))

    noted = requests[Outcome.FAIL] == "note"
    return Question(p_value_not_above(slower, len(ratios), 0.5), noted, answer)


def _ratios(timing: Timing | None) -> list[float] | str:
    """Return candidate's over champion's time, pair by pair, or why there are none."""
    if timing is None or not timing.champion:
        return "nothing was measured"
    if len(timing.champion) != len(timing.candidate):
        return "the two models were not measured in pairs"
    if not all(isfinite(each) and each > 0 for each in (*timing.champion, *timing.candidate)):
        return "some times are not numbers above zero"
    pairs = zip(timing.candidate, timing.champion, strict=True)
    return [new / old for new, old in pairs]


def _sentence(ratios: Sequence[float], alpha: float, limit: float, outcome: Outcome) -> str:
    lower, upper = ratio_bounds(ratios, alpha)
    most = f"at most {number(upper, limit)}" if isfinite(upper) else "with no upper bound"
    ending = {
        Outcome.PASS: "within",
        Outcome.FAIL: "above",
    }.get(outcome, "too few texts to tell whether this is within")
    return (
        f"Latency: an answer takes {number(median(ratios), limit)} times as long as the "
        f"champion's (at least {number(lower, limit)}, {most}) on {len(ratios):,} texts, one "
        f"at a time: {ending} the limit of {number(limit)}."
    )
