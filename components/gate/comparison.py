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
    loss_p_value,
    lower_bound,
    upper_bound,
)
from components.gate.questions import Finding, Question, outcome_of
from components.gate.verdicts import Outcome, Rules, Verdict


def ask(comparison: Comparison, rules: Rules) -> Finding:
    """Return what a comparison asks, or its verdict where there is nothing to ask."""
    if comparison.certificate:
        return certified(comparison)
    found = count_changes(comparison)
    if isinstance(found, str):
        return missing(comparison, found)
    return question(comparison, found, rules)


def question(comparison: Comparison, changes: Changes, rules: Rules) -> Question:
    """Return whether the loss is above the margin, asked of these counts.

    PASS: the upper bound of the loss, at the comparison's own level, is below the margin (no
    correction: all must pass, an intersection-union test, Berger 1982). FAIL: the lower bound at
    the rules' alpha is above the margin, and the loss is so among all that are asked
    (`answer_together`). INCONCLUSIVE otherwise: the loss may be within the margin or above it.
    Under the rules of old documents, FAIL: a loss above zero among all that are asked, and the
    upper bound at alpha is not below the margin.
    """
    exact, new, margin = comparison.exact, rules.fail_beyond_margin, comparison.margin_points

    def answer(real: bool) -> Verdict:
        lower = lower_bound(changes, rules.alpha, exact, new)
        upper = upper_bound(changes, comparison.level, exact, new)
        if new:
            shown = 100 * lower > margin
        else:
            shown = 100 * upper_bound(changes, rules.alpha, exact, new) >= margin
        detectable = detectable_loss(changes, rules.alpha)
        return paired_verdict(comparison, changes, (lower, upper), real and shown, detectable)

    noted = comparison.requests[Outcome.FAIL] == "note"
    return Question(loss_p_value(changes, margin / 100 if new else 0.0, exact, new), noted, answer)


def paired_verdict(
    comparison: Comparison,
    changes: Changes,
    bounds: tuple[float, float],
    failed: bool,
    detectable: float,
) -> Verdict:
    """Return the verdict for these counts.

    Args:
        comparison: what was compared.
        changes: the counts.
        bounds: lower and upper bound of the loss, in [-1, 1].
        failed: the loss is shown above the margin, at the level that the caller answers for.
        detectable: the smallest true loss noticed with chance 0.8, in [0, 1].
    """
    margin = comparison.margin_points
    lower, upper = (100 * bound for bound in bounds)
    outcome = outcome_of(upper < margin, failed)
    sentence = sentences.comparison(comparison, changes, (lower, upper), outcome)
    return counted(comparison, changes, (lower, upper), outcome, sentence, detectable)


def counted(
    comparison: Comparison,
    changes: Changes,
    bounds: tuple[float, float],
    outcome: Outcome,
    sentence: str,
    detectable: float,
    open_labels: int = 0,
) -> Verdict:
    """Return the verdict that says these counts; `bounds` are in points, else as above."""
    lower, upper = bounds
    return Verdict(
        comparison.check,
        comparison.task,
        comparison.exam,
        outcome,
        comparison.requests[outcome],
        sentence,
        effect_points=100 * changes.loss,
        lower_points=lower,
        upper_points=upper,
        margin_points=comparison.margin_points,
        n=changes.items,
        right_to_wrong=changes.worse,
        wrong_to_right=changes.better,
        detectable_points=100 * detectable,
        level=comparison.level,
        group=comparison.group,
        open_labels=open_labels,
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
