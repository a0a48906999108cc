"""Do the answers that must never change still hold?

Concept: each case is one input with its correct answer, provided by people. A case that the
champion answers correctly must stay correct: no margin, no test, one broken case is a FAIL. A
case that the champion gets wrong does not block yet; it is noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.gate.policies import Behaviour
from components.gate.questions import Finding
from components.gate.sentences import listed
from components.gate.verdicts import (
    REQUESTS,
    CaseResult,
    CaseResults,
    Examination,
    Outcome,
    Rules,
    Verdict,
)


def check_behaviour(examination: Examination, rule: Behaviour, rules: Rules) -> Iterator[Finding]:
    """Yield whether the cases are kept, and a note on those that were not right before."""
    if examination.cases is not None:
        yield _kept(examination.cases, rule)
        yield from _open(examination.cases)


def _kept(given: CaseResults, rule: Behaviour) -> Verdict:
    binding = [case for case in given.cases if case.champion]
    unanswered = [case for case in given.cases if case.candidate is None]
    broken = [case for case in binding if case.candidate is False]
    if broken:
        outcome, said = Outcome.FAIL, f"broken: {_named(broken)}"
    elif unanswered or not given.cases:
        outcome = Outcome.MISSING
        said = f"not answered: {_named(unanswered)}" if unanswered else "the file has none"
    else:
        outcome, said = Outcome.PASS, "all still pass"
    return Verdict(
        "behaviour",
        "",
        "",
        outcome,
        REQUESTS[rule.policy][outcome],
        f"Behaviour cases: of {len(binding):,} that the champion answers correctly, {said}.",
        n=len(binding),
        right_to_wrong=len(broken),
    )


def _open(given: CaseResults) -> Iterator[Verdict]:
    """Yield a note on the cases that bind nobody yet."""
    cases = [case for case in given.cases if not case.champion and case.candidate is not None]
    wrong = [case for case in cases if not case.candidate]
    if wrong:
        yield Verdict(
            "behaviour",
            "",
            "",
            Outcome.INCONCLUSIVE,
            "note",
            f"Behaviour cases: of {len(cases):,} that the champion does not answer correctly, the "
            f"candidate also gets wrong: {_named(wrong)}.",
            n=len(cases),
            group="not right before",
        )


def _named(cases: Sequence[CaseResult]) -> str:
    names = (f"line {case.line}" + (f" ({case.note})" if case.note else "") for case in cases)
    return listed(list(names))
