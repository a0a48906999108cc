"""The checks of one examination: from answers to verdicts.

Concept: each known exam is compared with the champion and with its anchor (a paired
non-inferiority test each), each part of the batch against a floor or the champion, and
drift findings are weighed by policy. Where both models of a comparison share all that decides
their answers, it passes by certificate: nothing is computed, and no alpha is spent.

Promise: no partial examinations. Answers that are missing, empty, for other items, duplicated or
not plainly true or false give MISSING, and MISSING never promotes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from math import isfinite

from components.gate import sentences
from components.gate.alpha_spending import OVERUSED_AFTER
from components.gate.answer_pairs import Comparison, by_item
from components.gate.binomial import binomial_bounds, items_to_exceed
from components.gate.verdicts import (
    ALARMS,
    BLOCKS,
    NOTES,
    Consequence,
    DriftNote,
    ExamResult,
    NewTask,
    Outcome,
    Requests,
    Rules,
    Verdict,
)


def exam_comparisons(exams: Sequence[ExamResult], rules: Rules) -> list[Comparison]:
    """Return what is asked of every exam: against the champion, then against the anchor.

    An exam of a task that is not known yet is scored and noted, never blocking. An overused exam
    leaves the anchor to a fresher one of its task.
    """
    known = [exam for exam in exams if exam.known]
    others = [exam for exam in exams if not exam.known and exam.champion is not None]
    return [
        *(_against_champion(exam, rules, BLOCKS) for exam in known),
        *(_against_anchor(exam, rules) for exam in known if not _relieved(exam, known)),
        *(_against_champion(exam, rules, NOTES) for exam in others),
    ]


def row_comparisons(
    parts: Sequence[NewTask], examined: Collection[str], rules: Rules
) -> list[Comparison]:
    """Return what is asked of the batch's own rows of known tasks: no worse than the champion.

    Where a task is among those `examined`, its exam decides that on more items: then an open
    verdict on the few rows of the batch is noted only. A FAIL always rejects.
    """
    return [
        Comparison(
            "learned",
            part.task,
            "",
            f"{_subject(part)}, new items",
            "the champion",
            part.champion,
            part.candidate,
            rules.margin_points,
            rules.alpha,
            ALARMS if part.task in examined else BLOCKS,
        )
        for part in parts
        if part.known
    ]


def check_new_parts(parts: Sequence[NewTask], rules: Rules) -> list[Verdict]:
    """Return, per part of the batch that is new, whether it was learned."""
    return [_floor(part, rules) for part in parts if not part.known]


def check_drift(notes: Iterable[DriftNote]) -> list[Verdict]:
    """Return drift findings as verdicts; with policy `ignore` there is none.

    Drift does not show by itself that the model is worse, so it is INCONCLUSIVE and FAIL
    only under policy `reject`. A finding without an answer is never PASS.
    """
    return [_drift(note) for note in notes if note.policy != "ignore"]


def _against_champion(exam: ExamResult, rules: Rules, requests: Requests) -> Comparison:
    return Comparison(
        "forgetting",
        exam.task,
        exam.exam,
        exam.exam,
        "the champion",
        exam.champion,
        exam.candidate,
        rules.margin_points,
        rules.alpha,
        requests,
        certificate=exam.shared("champion"),
    )


def _against_anchor(exam: ExamResult, rules: Rules) -> Comparison:
    return replace(
        _against_champion(exam, rules, BLOCKS),
        check="anchor",
        reference="the anchor",
        before=exam.anchor,
        margin_points=rules.anchor_margin_points,
        level=rules.anchor_alpha(exam.turned_away),
        certificate=exam.shared("anchor"),
        advice=sentences.overused(exam.turned_away) if exam.turned_away >= OVERUSED_AFTER else "",
    )


def _relieved(exam: ExamResult, exams: Sequence[ExamResult]) -> bool:
    fresher = (each.task == exam.task and each.turned_away < OVERUSED_AFTER for each in exams)
    return exam.turned_away >= OVERUSED_AFTER and any(fresher)


def _floor(part: NewTask, rules: Rules) -> Verdict:
    """Check that the accuracy is above always guessing the majority class."""
    subject, share = _subject(part), part.majority_share
    answers = by_item(part.candidate, "the candidate's")
    known_share = share is not None and isfinite(share) and 0 <= share <= 1
    if share is None and part.candidate is not None and not len(part.candidate.items):
        sentence = sentences.nothing_held_out(subject)
        return Verdict("learned", part.task, "", Outcome.INCONCLUSIVE, "hold", sentence)
    if isinstance(answers, str) or share is None or not known_share:
        why = answers if isinstance(answers, str) else "the share of the majority class is unknown"
        sentence = f"{subject}: not examined, because {why}."
        return Verdict("learned", part.task, "", Outcome.MISSING, "reject", sentence)
    right, items = sum(answers.values()), len(answers)
    needed = share + rules.floor_points / 100
    lower, upper = binomial_bounds(right, items, rules.alpha)
    enough = items_to_exceed(needed, right, items, rules.alpha)
    outcome = Outcome.FAIL if upper <= needed else Outcome.INCONCLUSIVE
    outcome = Outcome.PASS if lower > needed else outcome
    return Verdict(
        "learned",
        part.task,
        "",
        outcome,
        BLOCKS[outcome],
        sentences.floor(subject, right, items, lower, needed, outcome, enough),
        effect_points=100 * (share - right / items),
        lower_points=100 * (share - upper),
        upper_points=100 * (share - lower),
        margin_points=0.0 - rules.floor_points,
        n=items,
        detectable_points=100 * (upper - right / items),
    )


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
