"""The checks of one examination: from answers to verdicts.

Concept: each known exam is held against the champion and against its anchor (a paired
non-inferiority test each), each part of the batch against a floor or the champion, and
drift findings are weighed by policy.

Promise: nothing is examined by halves. Answers that are absent, empty, of other items,
duplicated or not plainly true or false give MISSING, and MISSING never promotes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from math import isfinite

from components.gate import wording
from components.gate.paired import (
    Changes,
    detectable_loss,
    holm,
    items_to_settle,
    loss_p_value,
    lower_bound,
    upper_bound,
)
from components.gate.pairing import Comparison, by_item, count_changes
from components.gate.verdicts import (
    Consequence,
    DriftNote,
    ExamResult,
    NewTask,
    Outcome,
    Rules,
    Verdict,
)

_CONSEQUENCE: dict[Outcome, Consequence] = {
    Outcome.PASS: "promote",
    Outcome.INCONCLUSIVE: "hold",
    Outcome.FAIL: "reject",
}


def check_exams(exams: Sequence[ExamResult], rules: Rules) -> list[Verdict]:
    """Return the verdicts of every exam, against the champion and then against the anchor.

    An exam of a task that is not known yet is scored and noted, never blocking.
    Law: the order of the exams changes no verdict.
    """
    known = [exam for exam in exams if exam.known]
    verdicts = compare([_against_champion(exam, rules) for exam in known], rules.alpha)
    verdicts += compare([_against_anchor(exam, rules) for exam in known], rules.alpha)
    others = [_against_champion(exam, rules) for exam in exams if not exam.known]
    others = [comparison for comparison in others if comparison.before is not None]
    return verdicts + [_noted(verdict) for verdict in compare(others, rules.alpha)]


def check_learned(
    parts: Sequence[NewTask], examined: Collection[str], rules: Rules
) -> list[Verdict]:
    """Return, per part of the batch, whether it was learned.

    A known task only has to be no worse than the champion. Where it is among the tasks
    `examined`, its exam decides that on more items: then an open verdict on the few rows of
    the batch is noted only. A FAIL always rejects.
    """
    known = [_own_rows(part, rules) for part in parts if part.known]
    verdicts = [
        _noted(verdict)
        if verdict.outcome is Outcome.INCONCLUSIVE and verdict.task in examined
        else verdict
        for verdict in compare(known, rules.alpha)
    ]
    return verdicts + [_floor(part, rules) for part in parts if not part.known]


def check_drift(notes: Iterable[DriftNote]) -> list[Verdict]:
    """Return drift findings as verdicts; with policy `ignore` there is none.

    Drift does not show by itself that the model is worse, so it is INCONCLUSIVE and FAIL
    only under policy `reject`. A finding without an answer is never PASS.
    """
    return [_drift(note) for note in notes if note.policy != "ignore"]


def compare(comparisons: Sequence[Comparison], alpha: float) -> list[Verdict]:
    """Return the verdict of each comparison; their FAILs hold together at level `alpha`.

    PASS: the upper bound of the loss is below the margin (each at `alpha`, no correction:
    all must pass, an intersection-union test, Berger 1982). FAIL: not so, and the loss is
    real after Holm's correction over these comparisons. INCONCLUSIVE otherwise.
    """
    counted = [count_changes(each) for each in comparisons]
    p_values = [loss_p_value(each) for each in counted if isinstance(each, Changes)]
    adjusted = iter(holm(p_values))
    return [
        _paired(comparison, found, next(adjusted), alpha)
        if isinstance(found, Changes)
        else missing(comparison, found)
        for comparison, found in zip(comparisons, counted, strict=True)
    ]


def paired_verdict(
    comparison: Comparison,
    changes: Changes,
    bounds: tuple[float, float],
    real: bool,
    alpha: float,
) -> Verdict:
    """Return the verdict for these counts and bounds (of the loss, in [-1, 1]).

    `real`: the loss is shown above zero, at the level that the caller answers for.
    """
    margin = comparison.margin_points
    lower, upper = (100 * bound for bound in bounds)
    outcome = Outcome.PASS if upper < margin else Outcome.FAIL if real else Outcome.INCONCLUSIVE
    settle = items_to_settle(changes, margin / 100, alpha)
    sentence = wording.comparison(comparison, changes, (lower, upper), outcome, settle)
    return Verdict(
        comparison.check,
        comparison.task,
        comparison.exam,
        outcome,
        _CONSEQUENCE[outcome],
        sentence,
        effect_points=100 * changes.loss,
        lower_points=lower,
        upper_points=upper,
        margin_points=margin,
        n=changes.items,
        right_to_wrong=changes.worse,
        wrong_to_right=changes.better,
        detectable_points=100 * detectable_loss(changes, alpha),
    )


def missing(comparison: Comparison, why: str) -> Verdict:
    """Return the MISSING verdict of a comparison that could not be made."""
    sentence = f"{comparison.subject}: not examined against {comparison.reference}, because {why}."
    return Verdict(
        comparison.check,
        comparison.task,
        comparison.exam,
        Outcome.MISSING,
        "reject",
        sentence,
        margin_points=comparison.margin_points,
    )


def _paired(comparison: Comparison, changes: Changes, adjusted: float, alpha: float) -> Verdict:
    bounds = (lower_bound(changes, alpha), upper_bound(changes, alpha))
    return paired_verdict(comparison, changes, bounds, adjusted <= alpha, alpha)


def _against_champion(exam: ExamResult, rules: Rules) -> Comparison:
    return Comparison(
        "forgetting",
        exam.task,
        exam.exam,
        exam.exam,
        "the champion",
        exam.champion,
        exam.candidate,
        rules.margin_points,
    )


def _against_anchor(exam: ExamResult, rules: Rules) -> Comparison:
    return replace(
        _against_champion(exam, rules),
        check="anchor",
        reference="the anchor",
        before=exam.anchor,
        margin_points=rules.anchor_margin_points,
    )


def _own_rows(part: NewTask, rules: Rules) -> Comparison:
    return Comparison(
        "learned",
        part.task,
        "",
        f"{_subject(part)}, new items",
        "the champion",
        part.champion,
        part.candidate,
        rules.margin_points,
    )


def _floor(part: NewTask, rules: Rules) -> Verdict:
    """Check that more is right than by always guessing the commonest label."""
    subject, share = _subject(part), part.majority_share
    answers = by_item(part.candidate, "the candidate's")
    known_share = share is not None and isfinite(share) and 0 <= share <= 1
    if isinstance(answers, str) or share is None or not known_share:
        why = answers if isinstance(answers, str) else "the share of the commonest label is unknown"
        sentence = f"{subject}: not examined, because {why}."
        return Verdict("learned", part.task, "", Outcome.MISSING, "reject", sentence)
    right, items = sum(answers.values()), len(answers)
    needed = share + rules.floor_points / 100
    lower, upper = binomial_bounds(right, items, rules.alpha)
    outcome = Outcome.FAIL if upper <= needed else Outcome.INCONCLUSIVE
    outcome = Outcome.PASS if lower > needed else outcome
    return Verdict(
        "learned",
        part.task,
        "",
        outcome,
        _CONSEQUENCE[outcome],
        wording.floor(subject, right, items, lower, needed, outcome),
        effect_points=100 * (share - right / items),
        lower_points=100 * (share - upper),
        upper_points=100 * (share - lower),
        margin_points=0.0 - rules.floor_points,
        n=items,
        detectable_points=100 * (upper - right / items),
    )


def binomial_bounds(right: int, items: int, alpha: float) -> tuple[float, float]:
    """Return exact one-sided bounds of a share, each at `alpha` (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    wrong = items - right
    lower = float(betaincinv(right, wrong + 1, alpha)) if right else 0.0
    upper = float(betaincinv(right + 1, wrong, 1 - alpha)) if wrong else 1.0
    return lower, upper


def _drift(note: DriftNote) -> Verdict:
    consequence: Consequence = "hold" if note.policy == "hold" else "note"
    outcome = Outcome.INCONCLUSIVE
    if note.drifted is None:
        consequence = "note" if note.policy == "note" else "hold"
    elif not note.drifted:
        outcome, consequence = Outcome.PASS, "promote"
    elif note.policy == "reject":
        outcome, consequence = Outcome.FAIL, "reject"
    return Verdict("drift", note.name, "", outcome, consequence, note.sentence)


def _subject(part: NewTask) -> str:
    return part.task if part.label is None else f"{part.task}, label {part.label}"


def _noted(verdict: Verdict) -> Verdict:
    return verdict if verdict.outcome is Outcome.PASS else replace(verdict, consequence="note")
