"""Decide all findings together, so that many checks do not reject by mistake.

Concept: a check either knows its verdict, or asks a question: is this loss above its margin? All
questions of a decision are answered at once, because the more questions are asked, the more likely
a loss by chance becomes.

Promise: the order of the findings changes no verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.gate.paired_statistics import holm
from components.gate.verdicts import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Question:
    """A finding that is a FAIL only where its loss is shown among all the others.

    Args:
        p_value: against "the margin is kept": no more is lost, or the limit holds.
        noted: a FAIL would only be noted.
        answer: from whether the loss is shown to the verdict.
    """

    p_value: float
    noted: bool
    answer: Callable[[bool], Verdict]


Finding = Verdict | Question


def outcome_of(passed: bool, real: bool) -> Outcome:
    """Return PASS where the bound keeps to the limit, else FAIL where the loss is real."""
    return Outcome.PASS if passed else Outcome.FAIL if real else Outcome.INCONCLUSIVE


def answer_together(findings: Sequence[Finding], alpha: float) -> list[Verdict]:
    """Return the verdict of each finding; the FAILs that count hold together at `alpha`.

    Law: were every margin kept, a decision would reject by mistake with chance `alpha` at most,
    however many questions there are (Holm 1979). Questions whose FAIL is only noted are a
    family of their own and take nothing from those that count.
    """
    real: set[int] = set()
    for noted in (False, True):
        family = {
            place: finding.p_value
            for place, finding in enumerate(findings)
            if isinstance(finding, Question) and finding.noted == noted
        }
        adjusted = zip(family, holm(list(family.values())), strict=True)
        real |= {place for place, p_value in adjusted if p_value <= alpha}
    return [
        finding if isinstance(finding, Verdict) else finding.answer(place in real)
        for place, finding in enumerate(findings)
    ]
