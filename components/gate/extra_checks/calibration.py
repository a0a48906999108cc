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

import numpy as np

from components.exam_names import spoken
from components.gate import bounded_scores, reliability
from components.gate.answer_pairs import Comparison, pair
from components.gate.comparison import missing
from components.gate.policies import Calibration
from components.gate.questions import Finding, Question, outcome_of
from components.gate.sentences import amount, number
from components.gate.verdicts import (
    REQUESTS,
    Answers,
    Examination,
    ExamResult,
    Outcome,
    Rules,
    Verdict,
)


def check_calibration(
    examination: Examination, rule: Calibration, rules: Rules
) -> Iterator[Finding]:
    """Yield a finding per exam and score.

    PASS: its growth is shown to be below the margin; FAIL: to be above it.
    """
    for exam in examination.compared():
        yield from _scores(exam, rule, rules)


def _scores(exam: ExamResult, rule: Calibration, rules: Rules) -> Iterator[Finding]:
    brier = Comparison(
        "calibration",
        exam.task,
        exam.exam,
        f"{spoken(exam.exam)}, Brier score",
        "the champion",
        exam.champion,
        exam.candidate,
        rule.brier_margin_points,
        rules.alpha,
        REQUESTS[rule.policy],
        group="Brier score",
    )
    ece = replace(
        brier,
        subject=f"{spoken(exam.exam)}, calibration error",
        margin_points=rule.ece_margin_points,
        group="calibration error",
    )
    for asked, score, ask in ((brier, "brier", _brier), (ece, "confidence", _ece)):
        rows = _rows(asked, score)
        yield missing(asked, rows) if isinstance(rows, str) else ask(asked, rows, rules)


Rows = tuple[Any, Any, Any, Any]
"""Right before, right after, score before, score after: each of shape (items,), in one order."""


def _rows(asked: Comparison, score: str) -> Rows | str:
    """Return both models' answers and scores, or why they can't be compared."""
    pairs = pair(asked)
    if isinstance(pairs, str):
        return pairs
    scores = []
    for answers in (asked.before, asked.after):
        found = _score(answers, score)
        if isinstance(found, str):
            return found
        scores.append(np.fromiter(map(found.__getitem__, pairs.items), float))
    return pairs.before, pairs.after, scores[0], scores[1]


def _brier(asked: Comparison, rows: Rows, rules: Rules) -> Question:
    losses = (rows[3] - rows[2]).tolist()
    p_value = bounded_scores.loss_p_value(losses, _kept(asked, rules))
    bounds = (
        bounded_scores.lower_bound(losses, asked.level),
        bounded_scores.upper_bound(losses, asked.level),
    )
    return _question(
        asked, rules, len(losses), p_value, (bounded_scores.mean_loss(losses), *bounds)
    )


def _ece(asked: Comparison, rows: Rows, rules: Rules) -> Question:
    right_before, right_after, before, after = rows
    growth = reliability.growth((before, right_before), (after, right_after))
    loss = reliability.calibration_error(after, right_after) - reliability.calibration_error(
        before, right_before
    )
    p_value = growth.p_value(_kept(asked, rules), rules.fail_beyond_margin)
    return _question(asked, rules, len(after), p_value, (loss, *growth.bounds(asked.level)))


def _kept(asked: Comparison, rules: Rules) -> float:
    """Return the growth that a FAIL must refute, in [0, 1]."""
    return asked.margin_points / 100 if rules.fail_beyond_margin else 0.0


def _question(
    asked: Comparison, rules: Rules, items: int, p_value: float, found: tuple[float, float, float]
) -> Question:
    """Return the question whether the score grew too much.

    `found`: the growth, its lower and its upper bound, in [-1, 1].
    """
    margin = asked.margin_points
    points, lower, upper = (100 * each for each in found)
    above = lower > margin or not rules.fail_beyond_margin

    def answer(real: bool) -> Verdict:
        outcome = outcome_of(upper < margin, real and above)
        return Verdict(
            asked.check,
            asked.task,
            asked.exam,
            outcome,
            asked.requests[outcome],
            f"{asked.subject}: against {asked.reference}, {amount(points, margin)} on {items:,} "
            f"items (a loss between {number(lower, 0, margin)} and {number(upper, 0, margin)})"
            f"{_ending(outcome, lower > margin)} the margin of {number(margin)}.",
            effect_points=points,
            lower_points=lower,
            upper_points=upper,
            margin_points=margin,
            n=items,
            level=asked.level,
            group=asked.group,
        )

    return Question(p_value, asked.requests[Outcome.FAIL] == "note", answer)


def _ending(outcome: Outcome, above: bool) -> str:
    if outcome is Outcome.PASS:
        return ", within"
    if outcome is Outcome.FAIL:
        return ", above" if above else ", a real loss, not shown to be within"
    if above:
        return ", which may be chance among this many checks, above"
    return ", too few items to tell whether this is within"


def _score(answers: Answers | None, name: str) -> dict[str, float] | str:
    """Return item digest -> score in [0, 1], or why there is none."""
    values: Sequence[Any] | None = getattr(answers, name) if answers else None
    if answers is None or values is None:
        return "its probabilities were not stored"
    if len(values) != len(answers.items):
        return "not every answer has a probability"
    numbers = all(issubclass(kind, (int, float)) for kind in set(map(type, values)))
    scores = np.array(values if numbers else [-1.0], float)
    if not ((scores >= 0) & (scores <= 1)).all():
        return "some probabilities are not numbers from 0 to 1"
    return dict(zip(answers.items, scores.tolist(), strict=True))
