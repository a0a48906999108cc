"""Are the candidate's probabilities as reliable as the champion's?

Concept: two scores an exam. The Brier score is a mean over items, so its growth has bounds that
hold whatever the probabilities look like (`bounded_scores`). The expected calibration error is
not; it has bootstrap bounds (`reliability`), which are approximate.
Source of the score: Brier 1950, Monthly Weather Review 78, 1-3; halved here, so that it is in
[0, 1] for any number of labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from components.gate import bounded_scores, reliability
from components.gate.answer_pairs import Comparison, pair
from components.gate.comparison import missing
from components.gate.policies import Calibration
from components.gate.questions import Finding, Question, outcome_of
from components.gate.sentences import amount, number
from components.gate.verdicts import REQUESTS, Answers, Examination, ExamResult, Outcome, Verdict


def check_calibration(
    examination: Examination, rule: Calibration, alpha: float
) -> Iterator[Finding]:
    """Yield a finding per exam and score. PASS: its growth is shown to be below the margin."""
    for exam in examination.compared():
        yield from _scores(exam, rule, alpha)


def _scores(exam: ExamResult, rule: Calibration, alpha: float) -> Iterator[Finding]:
    brier = Comparison(
        "calibration",
        exam.task,
        exam.exam,
        f"{exam.exam}, Brier score",
        "the champion",
        exam.champion,
        exam.candidate,
        rule.brier_margin_points,
        alpha,
        REQUESTS[rule.policy],
        group="Brier score",
    )
    ece = replace(
        brier,
        subject=f"{exam.exam}, calibration error",
        margin_points=rule.ece_margin_points,
        group="calibration error",
    )
    for asked, score, ask in ((brier, "brier", _brier), (ece, "confidence", _ece)):
        rows = _rows(asked, score)
        yield missing(asked, rows) if isinstance(rows, str) else ask(asked, rows)


Rows = Sequence[tuple[bool, bool, float, float]]
"""Item by item: right before, right after, score before, score after."""


def _rows(asked: Comparison, score: str) -> Rows | str:
    """Return both models' answers and scores, or why they can't be compared."""
    pairs = pair(asked)
    if isinstance(pairs, str):
        return pairs
    old, new = _score(asked.before, score), _score(asked.after, score)
    if isinstance(old, str) or isinstance(new, str):
        return old if isinstance(old, str) else str(new)
    return [(*both, old[item], new[item]) for item, both in pairs.items()]


def _brier(asked: Comparison, rows: Rows) -> Question:
    losses = [new - old for _, _, old, new in rows]
    return _question(
        asked,
        len(rows),
        bounded_scores.loss_p_value(losses),
        bounded_scores.mean_loss(losses),
        (
            bounded_scores.lower_bound(losses, asked.level),
            bounded_scores.upper_bound(losses, asked.level),
        ),
    )


def _ece(asked: Comparison, rows: Rows) -> Question:
    right_before, right_after, before, after = zip(*rows, strict=True)
    growth = reliability.growth((before, right_before), (after, right_after))
    loss = reliability.calibration_error(after, right_after) - reliability.calibration_error(
        before, right_before
    )
    bounds = growth.bounds(asked.level)
    return _question(asked, len(rows), growth.p_value(), loss, bounds)


def _question(
    asked: Comparison, items: int, p_value: float, loss: float, bounds: tuple[float, float]
) -> Question:
    """Return the question whether the score grew; loss and bounds in [-1, 1]."""
    points, margin = 100 * loss, asked.margin_points
    lower, upper = (100 * bound for bound in bounds)

    def answer(real: bool) -> Verdict:
        outcome = outcome_of(upper < margin, real)
        return Verdict(
            asked.check,
            asked.task,
            asked.exam,
            outcome,
            asked.requests[outcome],
            f"{asked.subject}: against {asked.reference}, {amount(points, margin)} on {items:,} "
            f"items (a loss between {number(lower, 0, margin)} and {number(upper, 0, margin)})"
            f"{_ending(outcome, points > margin)} the margin of {number(margin)}.",
            effect_points=points,
            lower_points=lower,
            upper_points=upper,
            margin_points=margin,
            n=items,
            level=asked.level,
            group=asked.group,
        )

    return Question(p_value, asked.requests[Outcome.FAIL] == "note", answer)


def _ending(outcome: Outcome, past_limit: bool) -> str:
    if outcome is Outcome.PASS:
        return ", within"
    if outcome is Outcome.FAIL:
        return ", above" if past_limit else ", a real loss, not shown to be within"
    return ", too few items to tell whether this is within"


def _score(answers: Answers | None, name: str) -> dict[str, float] | str:
    """Return item digest -> score in [0, 1], or why there is none."""
    values: Sequence[Any] | None = getattr(answers, name) if answers else None
    if answers is None or values is None:
        return "its probabilities were not stored"
    if len(values) != len(answers.items):
        return "not every answer has a probability"
    if not all(isinstance(each, (int, float)) and 0 <= each <= 1 for each in values):
        return "some probabilities are not numbers from 0 to 1"
    return dict(zip(answers.items, map(float, values), strict=True))
