"""One paired comparison: from two models' answers to a verdict.

Concept: most comparisons end in a question (is this loss real?) that is answered together with
all others of the decision. If nothing can be counted the verdict is MISSING; if nothing can
differ it is PASS.
"""

from __future__ import annotations

from components.gate import sentences
from components.gate.answer_pairs import Comparison, count_changes
from components.gate.paired_statistics import (
    Changes,
    detectable_loss,
    enough_items,
    loss_p_value,
    lower_bound,
    upper_bound,
)
from components.gate.questions import Finding, Question, outcome_of
from components.gate.verdicts import Outcome, Verdict


def ask(comparison: Comparison, alpha: float) -> Finding:
    """Return what a comparison asks, or its verdict where there is nothing to ask."""
    if comparison.certificate:
        return certified(comparison)
    found = count_changes(comparison)
    if isinstance(found, str):
        return missing(comparison, found)
    return question(comparison, found, alpha)


def question(comparison: Comparison, changes: Changes, alpha: float) -> Question:
    """Return whether the loss is real, asked of these counts.

    PASS: the upper bound of the loss, at the comparison's own level, is below the margin (no
    correction: all must pass, an intersection-union test, Berger 1982). FAIL: not so at `alpha`
    either, and the loss is real among all that are asked (`answer_together`).
    INCONCLUSIVE otherwise.
    """
    exact = comparison.exact

    def answer(real: bool) -> Verdict:
        lower = lower_bound(changes, alpha, exact)
        bounds = (lower, upper_bound(changes, comparison.level, exact))
        not_within = 100 * upper_bound(changes, alpha, exact) >= comparison.margin_points
        return paired_verdict(comparison, changes, bounds, real and not_within, alpha)

    noted = comparison.requests[Outcome.FAIL] == "note"
    return Question(loss_p_value(changes, exact), noted, answer)


def paired_verdict(
    comparison: Comparison,
    changes: Changes,
    bounds: tuple[float, float],
    real: bool,
    alpha: float,
) -> Verdict:
    """Return the verdict for these counts and bounds (of the loss, in [-1, 1]).

    `real`: the loss is shown above zero, and not within the margin, at the level that the
    caller answers for.
    """
    margin = comparison.margin_points
    lower, upper = (100 * bound for bound in bounds)
    outcome = outcome_of(upper < margin, real)
    enough = enough_items(changes, margin / 100, comparison.level)
    return Verdict(
        comparison.check,
        comparison.task,
        comparison.exam,
        outcome,
        comparison.requests[outcome],
        sentences.comparison(comparison, changes, (lower, upper), outcome, enough),
        effect_points=100 * changes.loss,
        lower_points=lower,
        upper_points=upper,
        margin_points=margin,
        n=changes.items,
        right_to_wrong=changes.worse,
        wrong_to_right=changes.better,
        detectable_points=100 * detectable_loss(changes, alpha),
        level=comparison.level,
        group=comparison.group,
    )


def missing(comparison: Comparison, why: str) -> Verdict:
    """Return the MISSING verdict of a comparison that could not be made."""
    sentence = f"{comparison.subject}: not examined against {comparison.reference}, because {why}."
    return Verdict(
        comparison.check,
        comparison.task,
        comparison.exam,
        Outcome.MISSING,
        comparison.requests[Outcome.MISSING],
        sentence,
        margin_points=comparison.margin_points,
        level=comparison.level,
        group=comparison.group,
    )


def certified(comparison: Comparison) -> Verdict:
    """Return the PASS of a comparison of a model with itself, as far as these answers go."""
    return Verdict(
        comparison.check,
        comparison.task,
        comparison.exam,
        Outcome.PASS,
        comparison.requests[Outcome.PASS],
        sentences.certificate(comparison),
        effect_points=0.0,
        lower_points=0.0,
        upper_points=0.0,
        margin_points=comparison.margin_points,
        level=0.0,
        certificate=comparison.certificate,
    )
