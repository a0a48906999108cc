"""Compare two models on a pool of inputs that nobody has labelled, asking for few labels.

Concept: where both give the same label, nothing is lost whatever the truth is. So the paired
counts of a pool of N inputs need labels for the others alone, and often not for all of these. An
input without a label counts as a loss where the loss is to be shown small, and as a gain where it
is to be shown large. Once no label that is still open could change the outcome, none is asked for.

Promise: labels cost no alpha. What is decided with some of them would be decided alike with all of
them, whatever the open ones say; so it is one test at one level, however many portions the labels
came in, and in whichever order.
Sources: Sawade, Landwehr, Scheffer 2012 (active comparison of prediction models), NeurIPS 25;
Renggli et al. 2019 (ease.ml/ci: labels only where two models differ), MLSys 1.
"""

from __future__ import annotations

from dataclasses import replace

from components.gate import sentences
from components.gate.answer_pairs import Comparison
from components.gate.comparison import certified, counted, missing
from components.gate.paired_statistics import (
    Changes,
    detectable_loss,
    loss_p_value,
    lower_bound,
    upper_bound,
)
from components.gate.pool_counts import Reference, Tally, tally
from components.gate.questions import Finding, Question, outcome_of
from components.gate.verdicts import Outcome, PoolResult, Verdict


def ask_pool(
    comparison: Comparison, pool: PoolResult, reference: Reference, alpha: float
) -> Finding:
    """Return what a pool asks or says of the candidate against one reference.

    PASS: even if all that is not known were lost, the loss is within the margin, at the
    comparison's level. FAIL: even if all of it were gained, the loss is beyond the margin.
    """
    if comparison.certificate:
        return certified(comparison)
    asked = ("candidate",) if reference == "restricted" else (reference, "candidate")
    absent = [who for who in asked if who in pool.unanswered]
    if absent or pool.size < 1:
        why = f"the {absent[0]}'s answers are missing" if absent else "the pool has no inputs"
        return missing(comparison, why)
    known = tally(pool, reference)
    if known.size < 1:
        held = {**comparison.requests, Outcome.MISSING: "hold"}
        why = "no input of the pool is sure to have a label that was known before"
        return missing(replace(comparison, requests=held), why)
    p_value = loss_p_value(known.least_lost, comparison.margin_points / 100)
    noted = comparison.requests[Outcome.FAIL] == "note"
    return Question(p_value, noted, lambda real: _verdict(comparison, known, real, alpha))


def pool_shows_better(pool: PoolResult, alpha: float) -> bool:
    """Return whether the candidate is shown better than the anchor, whatever open labels say."""
    known = tally(pool, "anchor")
    if pool.unanswered or known.size < 1:
        return False
    return loss_p_value(known.most_lost.swapped()) <= alpha


def _verdict(comparison: Comparison, known: Tally, real: bool, alpha: float) -> Verdict:
    margin, exact = comparison.margin_points, comparison.exact
    upper = 100 * upper_bound(known.most_lost, comparison.level, exact)
    lower = 100 * lower_bound(known.least_lost, alpha, exact)
    outcome = outcome_of(upper < margin, real and lower > margin)
    useful = outcome is Outcome.INCONCLUSIVE and _could_change(comparison, known, alpha)
    return counted(
        comparison,
        Changes(known.worse, known.better, known.size),
        (lower, upper),
        outcome,
        sentences.pool(comparison, known, (lower, upper), outcome, useful),
        detectable_loss(known.most_lost, alpha),
        known.open if useful else 0,
    )


def _could_change(comparison: Comparison, known: Tally, alpha: float) -> bool:
    """Tell whether some labels of the open inputs would decide."""
    if not known.open:
        return False
    margin, exact = comparison.margin_points / 100, comparison.exact
    lucky = replace(known, open=0, better=known.better + known.open)
    unlucky = replace(known, open=0, worse=known.worse + known.open)
    could_pass = upper_bound(lucky.most_lost, comparison.level, exact) < margin
    return could_pass or lower_bound(unlucky.least_lost, alpha, exact) > margin
