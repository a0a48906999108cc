"""From an examination to one decision.

Concept: every check gives a verdict with a consequence, and the most severe one wins: reject over
hold over promote. What is held may come into force on probation, where the rules say so.

Promise: pure and monotone. A worse answer never leads to a better action, and what could not
be examined is never promoted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from components.exam_names import spoken
from components.gate.checks import check_drift, exam_findings, row_comparisons
from components.gate.comparison import ask
from components.gate.extra_checks import EXTRA_CHECKS, run_extra_checks
from components.gate.new_labels import check_new_labels
from components.gate.new_parts import check_new_parts
from components.gate.pool_counts import asked_inputs
from components.gate.probation import may_begin
from components.gate.questions import Finding, answer_together
from components.gate.sentences import number
from components.gate.settling import ways_to_settle
from components.gate.sources import deciding, known_sources
from components.gate.verdicts import Action, Decision, Examination, Outcome, Rules, Verdict

NOTED_REASONS = 4
"""An exam of many labels can have dozens of noted findings; the page is for reading."""

_GRAVITY = {"promote": 0, "note": 1, "hold": 2, "reject": 3}


def judge(examination: Examination, rules: Rules) -> Decision:
    """Weigh one candidate.

    FAIL or MISSING of a blocking check rejects, INCONCLUSIVE holds for a person (or promotes on
    probation), else the candidate is promoted (held when every promotion needs approval).
    Laws: 5 (missing evidence never promotes); permuting items or exams changes nothing.
    """
    whole, rules = rules, rules.at_look(examination.look)
    known = known_sources(examination)
    examined = {source.task for source in known}
    rows = row_comparisons(examination.learned, examined, rules)
    findings: list[Finding] = [
        *_completeness(examination),
        *exam_findings(examination, rules, whole),
        *(ask(comparison, rules) for comparison in rows),
        *check_new_parts(examination.learned, whole.at_look(0)),
        *check_new_labels(examination, rules, whole),
        *check_drift(examination.drift),
        *run_extra_checks(examination, rules),
    ]
    verdicts = answer_together(findings, rules.alpha)
    ordered = sorted(verdicts, key=_gravest_first)
    decides = deciding(examination, whole) or {source.exam for source in known}
    labels = len(asked_inputs(examination.pools, verdicts))
    action, headline = _act(ordered, rules, decides, labels)
    undecided = action == "hold" and rules.undecided == "probation" and rules.approval == "auto"
    if undecided and may_begin(ordered, examination):
        action, headline = "probation", _headline_probation(ordered)
    reasons = _reasons(ordered) or _passed(verdicts)
    settle = ways_to_settle(examination, whole, verdicts) if action == "hold" else ()
    return Decision(action, headline, reasons, tuple(verdicts), settle)


def _reasons(ordered: list[Verdict]) -> tuple[str, ...]:
    """Return the sentences behind a decision: all that decide, and the gravest of the noted."""
    deciding = [v.sentence for v in ordered if v.consequence in ("reject", "hold")]
    noted = [v.sentence for v in ordered if v.consequence == "note"]
    rest = len(noted) - NOTED_REASONS
    noun = "check is" if rest == 1 else "checks are"
    more = [f"{rest} more {noun} noted; see the verdicts."] if rest > 0 else []
    return (*deciding, *noted[:NOTED_REASONS], *more)


def _passed(verdicts: list[Verdict]) -> tuple[str, ...]:
    """Return what is told where all passed: the exams and what was learned, if there are any."""
    told = [v.sentence for v in verdicts if v.check not in EXTRA_CHECKS]
    return tuple(told or [v.sentence for v in verdicts])


def _gravest_first(verdict: Verdict) -> tuple[int, bool, bool, float]:
    """Order by consequence, a failure before what is missing, the largest sure loss first.

    A whole task comes before its labels and slices, and before all else that extra checks look at.
    """
    failed, extra = verdict.outcome is Outcome.FAIL, verdict.check in EXTRA_CHECKS
    return -_GRAVITY[verdict.consequence], not failed, extra, -(verdict.lower_points or 0.0)


def _act(
    ordered: list[Verdict], rules: Rules, decides: Collection[str], labels: int
) -> tuple[Action, str]:
    """Return the action and its headline.

    `ordered`: the verdicts, gravest first; `decides`: the exams that must be passed; `labels`:
    inputs of pools whose labels could settle it.
    """
    gravest = ordered[0].consequence
    if gravest == "reject":
        return "reject", _headline_reject(ordered)
    if gravest == "hold":
        return "hold", _headline_hold(ordered, labels)
    if rules.approval == "always":
        return "hold", f"Hold for approval: {_headline_pass(ordered, decides)}"
    return "promote", f"Promote: {_headline_pass(ordered, decides)}"


def _completeness(examination: Examination) -> list[Verdict]:
    """Return a MISSING verdict for each exam that is absent or stands twice, and for no check."""
    counts = Counter(exam.exam for exam in examination.exams)
    counts += Counter(pool.exam for pool in examination.pools)
    parts = Counter((part.task, part.label) for part in examination.learned)
    found = [(name, "is missing") for name in sorted(set(examination.expected) - set(counts))]
    found += [(name, "is listed twice") for name, count in sorted(counts.items()) if count > 1]
    doubled = sorted(task for (task, _), count in parts.items() if count > 1)
    found += [(task, "has two results for what was learned") for task in doubled]
    sentences = [(name, f"{name}: not examined, because the exam {why}.") for name, why in found]
    if not examination.learned and not known_sources(examination):
        sentences.append(("", "Nothing was examined: no known task and nothing new."))
    return [
        Verdict("examination", name, name, Outcome.MISSING, "reject", sentence)
        for name, sentence in sentences
    ]


def _headline_reject(ordered: list[Verdict]) -> str:
    grave = [verdict for verdict in ordered if verdict.consequence == "reject"]
    return f"Reject: {grave[0].sentence}{_more(len(grave) - 1)}"


def _headline_hold(ordered: list[Verdict], labels: int) -> str:
    held = [verdict for verdict in ordered if verdict.consequence == "hold"]
    more = _more(len(held) - 1)
    if labels:
        return f"Hold for labels (`ratchet label`, up to {labels}): {held[0].sentence}{more}"
    return f"Hold for a person: {held[0].sentence}{more}"


def _headline_probation(ordered: list[Verdict]) -> str:
    held = [verdict for verdict in ordered if verdict.consequence == "hold"]
    return f"Promote on probation: {held[0].sentence}{_more(len(held) - 1)}"


def _headline_pass(verdicts: list[Verdict], decides: Collection[str]) -> str:
    passed = [
        v
        for v in verdicts
        if v.outcome is Outcome.PASS and v.check == "forgetting" and v.exam in decides
    ]
    learned = sorted({v.task for v in verdicts if v.check == "learned" and v.outcome == "PASS"})
    parts = [f"learned {', '.join(learned)}"] if learned else []
    if passed:
        parts.append(f"{len(passed)} exam{'s' * (len(passed) > 1)} of earlier tasks passed")
        parts.append(f"closest call {_closest(passed)}")
    return "; ".join(parts) + "."


def _closest(passed: list[Verdict]) -> str:
    worst = max(passed, key=lambda verdict: (verdict.upper_points or 0.0, verdict.exam))
    margin = worst.margin_points or 0.0
    upper = worst.upper_points or 0.0
    most = number(upper, 0, margin)
    lost = f"at most {most} point{' is' if most == '1' else 's are'}" if upper > 0 else "nothing is"
    return f"{spoken(worst.exam)}, where {lost} lost (margin {number(margin)})"


def _more(count: int) -> str:
    return f" And {count} more check{'s' * (count > 1)}." if count > 0 else ""
