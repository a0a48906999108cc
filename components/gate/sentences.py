"""Verdicts in sentences that a manager understands.

Promise: a number next to a margin is printed with as many decimals as it takes to be seen on
the right side of it, and nothing is called a loss or a gain that is printed as zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.gate.answer_pairs import Comparison
from components.gate.paired_statistics import Changes
from components.gate.verdicts import Outcome


def comparison(
    asked: Comparison,
    changes: Changes,
    bounds: tuple[float, float],
    outcome: Outcome,
    enough_items: int,
) -> str:
    """Return the sentence of a paired check.

    Args:
        asked: the check, with its margin in points.
        changes: the counts.
        bounds: lower and upper bound of the loss, in points.
        outcome: PASS, FAIL or INCONCLUSIVE.
        enough_items: about how many items would settle an open verdict.
    """
    worse, better = changes.worse or "none", changes.better or "none"
    counts = f"worse on {worse} of {changes.items:,} items and better on {better}"
    loss, margin = 100 * changes.loss, asked.margin_points
    return (
        f"{asked.subject}: against {asked.reference}, {asked.model} is {counts}: "
        f"{amount(loss, margin)} ({_range(bounds, margin)})"
        f"{_ending(loss, bounds, outcome, margin, enough_items)}"
        f"{asked.advice if outcome is Outcome.INCONCLUSIVE else ''}"
    )


def overused(turned_away: int) -> str:
    """Return what to do about an exam that has turned many candidates away."""
    return (
        f" This exam has turned away {turned_away:,} candidates and gets stricter each time; add a "
        "new one (`ratchet holdout add`)."
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
    enough_items: int,
) -> str:
    """Return the sentence of the check that something new was learned; shares in [0, 1].

    What guesses is not learned, and more items would only show that better. `enough_items`:
    about how many, in all, would settle an open verdict.
    """
    more = enough_items - items
    ending = f"better, but too few items to be sure; about {more:,} more would settle it"
    if right / items <= needed:
        ending = (
            "not learned yet, which no further exam items would change; send more rows of it, "
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


def _ending(
    loss: float, bounds: tuple[float, float], outcome: Outcome, margin: float, enough_items: int
) -> str:
    limit = f"the margin of {number(margin)}"
    if outcome is Outcome.PASS:
        return f", within {limit}."
    if outcome is Outcome.FAIL and loss > margin:
        return f", above {limit}."
    if outcome is Outcome.FAIL:
        return f", a real loss, not shown to be within {limit}."
    if bounds[0] > 0:
        return (
            f", not shown to be within {limit}; one such loss among this many exams may be chance."
        )
    open_question = f"too few items to tell whether this is within {limit}"
    return f", {open_question}; about {enough_items:,} would settle it."
