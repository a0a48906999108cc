"""Does the candidate's adapter, its head included, stay small enough to ship?"""

from __future__ import annotations

from collections.abc import Iterator

from components.gate.policies import Size
from components.gate.questions import Finding, outcome_of
from components.gate.sentences import number
from components.gate.verdicts import REQUESTS, Examination, Outcome, Rules, Verdict


def check_size(examination: Examination, rule: Size, rules: Rules) -> Iterator[Finding]:
    """Yield whether the bytes keep to the limit, where there is one."""
    if rule.max_megabytes is not None:
        yield _size(examination.adapter_bytes, rule.max_megabytes, rule)


def _size(weight: int | None, limit: float, rule: Size) -> Verdict:
    if weight is None:
        outcome, said = Outcome.MISSING, "were not measured"
    else:
        megabytes = weight / 1e6
        outcome = outcome_of(megabytes <= limit, True)
        ending = "within" if outcome is Outcome.PASS else "above"
        said = f"are {number(megabytes, 0, limit)} MB, {ending} the limit of {number(limit, 0)} MB"
    sentence = f"Size: the candidate's adapter and head {said}."
    return Verdict("size", "", "", outcome, REQUESTS[rule.policy][outcome], sentence)
