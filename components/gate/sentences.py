"""Verdicts in sentences that a manager understands.

Promise: a number next to a margin is printed with as many decimals as it takes to be seen on
the right side of it, and nothing is called a loss or a gain that is printed as zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.gate.answer_pairs import Comparison
from components.gate.paired_statistics import Changes
from components.gate.pool_counts import Tally
from components.gate.verdicts import Outcome


def comparison(
    asked: Comparison,
    changes: Changes,
    bounds: tuple[float, float],
    outcome: Outcome,
) -> str:
    """Return the sentence of a paired check.

    Args:
        asked: the check, with its margin in points.
        changes: the counts.
        bounds: lower and upper bound of the loss, in points.
        outcome: PASS, FAIL or INCONCLUSIVE.
    """
    worse, better = changes.worse or "none", changes.better or "none"
    counts = f"worse on {worse} of {changes.items:,} items and better on {better}"
    loss, margin = 100 * changes.loss, asked.margin_points
    return (
        f"{asked.subject}: against {asked.reference}, {asked.model} is {counts}: "
        f"{amount(loss, margin)} ({_range(bounds, margin)})"
        f"{_ending(bounds, outcome, margin)}"
        f"{asked.advice if outcome is Outcome.INCONCLUSIVE else ''}"
    )


def overused(turned_away: int) -> str:
    """Return what to do about an exam that has turned many candidates away."""
    return (
        f" This exam has turned away {turned_away:,} candidates and gets stricter each time; add a "
        "new one (`ratchet holdout add`)."
    )


NOT_DECIDING = " Noted only: it is not what decides on this task."
"""What is told of an exam that could not tell, where another one decides or it is too small to."""


def pool(
    asked: Comparison,
    counted: Tally,
    bounds: tuple[float, float],
    outcome: Outcome,
    useful: bool,
) -> str:
    """Return the sentence of a pool.

    Args:
        asked: the check, with its margin in points.
        counted: what is known of the inputs that the two models label differently.
        bounds: the loss if all that is not known were a gain, or a loss, in points.
        outcome: PASS, FAIL or INCONCLUSIVE.
        useful: whether the open labels could still decide.
    """
    known = counted.worse + counted.better + counted.neither + counted.unclear
    differing, margin = known + counted.open, f"the margin of {number(asked.margin_points)}"
    said = f"{known} of them are labelled" if known else "none of them is labelled"
    if known:
        said += f" ({counted.worse or 'none'} worse, {counted.better or 'none'} better)"
    lower, upper = bounds
    most = f"a loss of at most {number(max(upper, 0.0), asked.margin_points)} points"
    ending = {
        Outcome.PASS: f"{most} even if all others were lost, within {margin}.",
        Outcome.FAIL: f"a loss of at least {number(lower, asked.margin_points)} points even if "
        f"all others were gained, above {margin}.",
    }.get(outcome, f"so far {most}, not shown to be within {margin}.")
    if outcome is Outcome.INCONCLUSIVE:
        ending += (
            f" Up to {counted.open} labels would settle this."
            if useful
            else " Its labels can't settle it; add inputs with `ratchet pool add`."
        )
        ending += asked.advice
    return (
        f"{asked.subject}: {asked.model} answers {differing} of {counted.size:,} inputs otherwise "
        f"than {asked.reference}; {said}: {ending}"
    )


def certificate(asked: Comparison) -> str:
    """Return the sentence of a check that passes because both models share their parts."""
    return (
        f"{asked.subject}: {asked.model} answers with the same parts as {asked.reference} "
        f"({asked.certificate or ''}), so nothing can be lost."
    )


def floor(
    subject: str,
    right: int,
    items: int,
    lower: float,
    needed: float,
    outcome: Outcome,
    others: int | None = None,
) -> str:
    """Return the sentence of the check that something new was learned; shares in [0, 1].

    What guesses is not learned, and more items would only show that better. `others`: how many
    items are not of the majority class, where nearly all are.
    """
    ending = "better, but too few items to be sure"
    if others is not None:
        ending = (
            f"better, but only {others:,} of these items have another label, too few to be sure; "
            "send more rows of the other labels"
        )
    if right / items <= needed:
        what = "it" if others is None else f"the other labels (only {others:,} of these items)"
        ending = (
            f"not learned yet, which no further exam items would change; send more rows of {what}, "
            "raise `training.min_steps` or `training.epochs`, or check its labels"
        )
    ending = "better than that" if outcome is Outcome.PASS else ending
    return (
        f"{subject}: the candidate answers {right} of {items:,} new items correctly, "
        f"{number(100 * right / items)} % (at least {number(100 * lower, 100 * needed)} %); "
        f"the baseline, always guessing the majority class, is {number(100 * needed)} %: {ending}."
    )


def nothing_held_out(subject: str) -> str:
    """Return the sentence of the same check where there is no item to ask."""
    return (
        f"{subject}: not examined, because none of its rows is held out. Send more rows of it (one "
        "of two is held out), or add items of it to an exam (`ratchet holdout add`)."
    )


def amount(points: float, margin: float) -> str:
    """Return a loss in points as words: a loss, a gain, or no change."""
    size = number(abs(points), 0, margin)
    if size == "0":
        return "no change"
    unit = "point" if size == "1" else "points"
    return f"a {'loss' if points > 0 else 'gain'} of {size} {unit}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names for a sentence: the first ones, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def number(value: float, *beside: float) -> str:
    """Return `value` with one decimal, or more where it would else look equal to a neighbour."""
    text = ""
    for decimals in (1, 2, 3):
        text = f"{value:.{decimals}f}"
        if all(value == other or float(text) != other for other in beside):
            break
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _range(bounds: tuple[float, float], margin: float) -> str:
    lower, upper = bounds
    if lower > 0:
        return f"at least {number(lower, 0, margin)}, at most {number(upper, margin)}"
    if upper < 0:
        return f"at least {number(-upper, 0)}, at most {number(-lower)}"
    worst = f"a loss of {number(upper, 0, margin)}"
    return f"between a gain of {number(-lower, 0)} and {worst}"


def _ending(bounds: tuple[float, float], outcome: Outcome, margin: float) -> str:
    limit = f"the margin of {number(margin)}"
    if outcome is Outcome.PASS:
        return f", within {limit}."
    if outcome is Outcome.FAIL and bounds[0] > margin:
        return f", above {limit}."
    if outcome is Outcome.FAIL:  # by the rules of documents up to format 3
        return f", a real loss, not shown to be within {limit}."
    if bounds[0] > margin:
        return f", above {limit}; but one such loss among this many checks may be chance."
    known = "a real loss, but " if bounds[0] > 0 else ""
    open_question = f"{known}too few items to tell whether this is within {limit}"
    return f", {open_question}."
