"""What would settle a held candidate, and how much of it that takes.

Concept: a batch that is examined again has less of alpha (`alpha_spending.look_share`), and so does
each further look. So whatever is brought is to be brought at once, and enough of it for the next
look: also for exams that this look passes and the next one would not.

Promise: with all that is named, and answers changed at the rates seen so far, the next look
promotes; chance may make a lucky or unlucky sample of it, so 4 of 5 are aimed at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil

from components.exam_names import origin, spoken
from components.gate.extra_checks import EXTRA_CHECKS
from components.gate.new_parts import Floor, floors
from components.gate.paired_statistics import (
    Changes,
    enough_items,
    smallest_passing,
    upper_bound,
    within_p_value,
)
from components.gate.pool_counts import REFERENCES, Tally, asked_inputs, tally
from components.gate.sources import Source, deciding, known_sources
from components.gate.verdicts import Examination, Outcome, PoolResult, Rules, Verdict

MOST_ITEMS = 1_000_000
"""No more items are ever asked for."""

AGAINST = ("forgetting", "anchor", "competition")
"""The checks on an exam or a pool as a whole."""


def ways_to_settle(
    examination: Examination, whole: Rules, verdicts: Sequence[Verdict]
) -> tuple[str, ...]:
    """Return all that it takes to settle a hold, each with its cost and its command.

    `whole`: the rules with all of alpha; `verdicts`: those of the hold.
    """
    held = [verdict for verdict in verdicts if verdict.consequence == "hold"]
    found = []
    if labels := len(asked_inputs(examination.pools, held)):
        found.append(f"labels of up to {_counted(labels, 'input')}: `ratchet label`")
    if any(not verdict.open_labels for verdict in held):
        found += _of_next_look(examination, whole, verdicts)
        found += [_by_a_person(verdict, whole) for verdict in held]
    return tuple(dict.fromkeys(filter(None, found)))


def _of_next_look(
    examination: Examination, whole: Rules, verdicts: Sequence[Verdict]
) -> Iterator[str]:
    """Yield the items and inputs to bring; nothing where more of them are of no use."""
    first, later = whole.at_look(0), whole.at_look(examination.look + 1)
    decides = deciding(examination, whole)
    for source in known_sources(examination):
        if source.exam in decides:
            own = [each for each in verdicts if each.exam == source.exam and _counts(each)]
            more = max((_missing(source, each, whole, later) for each in own), default=0)
            if more:
                yield _to_bring(source, more)
    for verdict in verdicts:
        counted = verdict.check == "learned" and verdict.right_to_wrong is not None
        if counted and verdict.consequence == "hold":
            yield _of_rows(verdict, later)
    for floor in floors(examination.learned, first):
        yield from _for_floor(floor, first)


def _counts(verdict: Verdict) -> bool:
    """Tell whether a verdict on an exam must be a PASS that more items can bring."""
    open_or_passed = verdict.outcome in (Outcome.PASS, Outcome.INCONCLUSIVE)
    counted = verdict.right_to_wrong is not None and verdict.level and verdict.n
    return bool(verdict.check in AGAINST and not verdict.group and counted and open_or_passed)


def _missing(source: Source, verdict: Verdict, whole: Rules, later: Rules) -> int:
    """Return how many items a comparison lacks to pass at the next look; `MOST_ITEMS` if all do."""
    level, margin = later.alpha, (verdict.margin_points or 0.0) / 100
    if verdict.check == "anchor":  # what is held now is charged to the exam
        level = whole.anchor_alpha(source.charged + 1)
    if isinstance(source, PoolResult):
        if verdict.open_labels:
            return 0  # its labels are asked for first
        seen = _as_labelled(tally(source, REFERENCES[verdict.check]))
    else:
        assert verdict.right_to_wrong is not None and verdict.wrong_to_right is not None
        seen = Changes(verdict.right_to_wrong, verdict.wrong_to_right, verdict.n)
    return _lacking(seen, margin, level)


def _lacking(seen: Changes, margin: float, level: float) -> int:
    wanted = items_to_pass(seen, margin, level)
    return wanted - seen.items if wanted < MOST_ITEMS else MOST_ITEMS


def _as_labelled(known: Tally) -> Changes:
    """Return what a pool shows if what is open comes out as what is answered did."""
    answered = known.worse + known.better + known.neither
    lost = ceil(known.open * known.worse / answered) if answered else (known.open + 1) // 2
    won = known.open * known.better // answered if answered else known.open // 2
    return replace(known, open=0, worse=known.worse + lost, better=known.better + won).most_lost


def items_to_pass(seen: Changes, margin: float, level: float) -> int:
    """Return how many items, in all, show the loss below `margin` at `level`.

    `seen.items` where these do already; `MOST_ITEMS` where no number would, as what was seen is the
    margin or more. Otherwise at least so many that 4 of 5 samples pass (`enough_items`), and that
    the rates of `seen`, rounded against the candidate, do.
    """

    def passes(items: int) -> bool:
        return within_p_value(grown(seen, items), margin) < level

    if passes(seen.items):
        return seen.items
    if seen.loss >= margin:
        return MOST_ITEMS
    wanted = max(enough_items(seen, margin, level), _fewest(passes, seen.items))
    unit: int = 10 ** max(0, len(str(wanted)) - 2)
    wanted = ceil(wanted / unit) * unit
    while wanted < MOST_ITEMS and not upper_bound(grown(seen, wanted), level) < margin:
        wanted += unit
    return min(wanted, MOST_ITEMS)


def grown(seen: Changes, items: int) -> Changes:
    """Return the counts of more items at the same rates, rounded against the candidate."""
    worse = ceil(seen.worse * items / seen.items)
    return Changes(worse, min(items - worse, seen.better * items // seen.items), items)


def _fewest(passes: Callable[[int], bool], items: int) -> int:
    """Return about the fewest items, more than `items`, that pass; at most `MOST_ITEMS`."""
    low, high = items, 2 * items
    while high < MOST_ITEMS and not passes(high):
        low, high = high, 2 * high
    high = min(high, MOST_ITEMS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def _to_bring(source: Source, more: int) -> str:
    if more >= MOST_ITEMS:
        return (
            f"a look at the batch: on {spoken(source.exam)} it seems to lose the margin or more, "
            "which more items would only show better"
        )
    if isinstance(source, PoolResult):
        return (
            f"{_counted(more, 'more input')} in the pool of {source.task}: "
            f"`ratchet pool add FILE --task {source.task}`"
        )
    bring = _bring(source.task)
    if origin(source.exam) == "batches":  # what people bring is an exam of its own
        return (
            f"an exam of {_counted(source.size + more, 'item')} of {source.task}: {bring}; or "
            f"wait: rows held out of later batches join {source.exam}"
        )
    return f"{_counted(more, 'more item')} of {spoken(source.exam)}: {bring}"


def _of_rows(verdict: Verdict, later: Rules) -> str:
    """Return what to bring for a known task without an exam, whose rows in the batch hold it."""
    assert verdict.right_to_wrong is not None and verdict.wrong_to_right is not None
    seen, task = Changes(verdict.right_to_wrong, verdict.wrong_to_right, verdict.n), verdict.task
    more = _lacking(seen, (verdict.margin_points or 0.0) / 100, later.alpha)
    if more >= MOST_ITEMS:
        return f"a look at the batch: its rows of {task} seem to lose the margin or more"
    return f"an exam of {_counted(seen.items + more, 'item')} of {task}: {_bring(task)}"


def _for_floor(floor: Floor, first: Rules) -> Iterator[str]:
    """Yield the items or rows to bring of something new; nothing where enough is there."""
    if not floor.items:
        yield f"rows of {floor.subject} to hold out, or items of it: {_bring(floor.task)}"
    elif floor.right <= floor.needed * floor.items:
        yield f"more rows of {floor.subject} to learn from, or more steps (`training.min_steps`)"
    elif not floor.is_shown(first.alpha):

        def shown(items: int) -> bool:
            return floor.at(items).is_shown(first.alpha)

        more = _fewest(shown, floor.items) - floor.items
        if more < MOST_ITEMS:
            yield f"{_counted(more, 'more item')} of {floor.subject}: {_bring(floor.task)}"


def _by_a_person(verdict: Verdict, rules: Rules) -> str:
    """Return what a person has to look at, where no number of items settles it; else nothing."""
    of, what = verdict.exam or verdict.task, verdict.check
    if what == "drift":
        setting = f"`drift.policies.{of.replace(' ', '_')}: note`"
        setting = "a higher `drift.concept_hold_points`" if of == "concept" else setting
        return f"a look at the batch ({of}): if it is right as it is, set {setting}"
    if what == "anchor" and verdict.outcome is Outcome.MISSING:
        least = smallest_passing(rules.anchor_margin_points / 100, rules.anchor_alpha(1))
        return f"{least} items of {verdict.task} or more: {_bring(verdict.task)}"
    if what == "balance":
        new = f"the new labels of {verdict.task}"
        return f"more rows of {new}, or items of them: {_bring(verdict.task)}"
    if what == "competition" and verdict.group:
        return f"a look at the new labels of {verdict.task}: is one of them {verdict.group!r}?"
    if what == "anchor_competition":
        move = f"`ratchet anchor move --task {verdict.task} --reason WHY`"
        return f"a look at what the labels since the anchor take: if it is worth it, {move}"
    if what in EXTRA_CHECKS:
        which = ", ".join(filter(None, (spoken(of), verdict.group))) or "the batch"
        return f"a look at {what} of {which}: if it may be so, change `gate.checks.{what}`"
    return ""


def _bring(task: str) -> str:
    return f"`ratchet holdout add FILE --task {task} --fill`"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
