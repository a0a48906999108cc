"""Pair two models' answers to one exam, item by item.

Promise: answers are used completely or not at all. If they are missing, empty, for other items,
duplicated or not plainly true or false, a reason is returned, never a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.gate.paired_statistics import Changes, loss_p_value
from components.gate.verdicts import BLOCKS, Answers, CheckName, Requests


@dataclass(frozen=True, slots=True)
class Comparison:
    """One paired check to be made.

    Args:
        check, task, exam: what the verdict will be about.
        subject: what is examined, in words.
        reference: the model it is held against, in words.
        before: the reference's answers.
        after: the answers of the model under examination.
        margin_points: tolerated loss.
        level: chance of letting a loss of the margin pass.
        requests: what each outcome asks for.
        model: the model under examination, in words.
        certificate: digest of all that decides the answers, where both models share it: they
            are the same, whatever the items.
        advice: what to do when the items were too few to tell.
        group: which of the exam's items; empty for all.
        exact: enumerate the chances of few items; else the normal limit of the score serves.
        among: the items that count; None for all.
    """

    check: CheckName
    task: str
    exam: str
    subject: str
    reference: str
    before: Answers | None
    after: Answers | None
    margin_points: float
    level: float
    requests: Requests = field(default_factory=lambda: BLOCKS)
    model: str = "the candidate"
    certificate: str | None = None
    advice: str = ""
    group: str = ""
    exact: bool = True
    among: frozenset[str] | None = None


def count_changes(comparison: Comparison) -> Changes | str:
    """Count what changed from one model to the other; a sentence part says why that fails.

    Law: permuting the items of either side changes nothing.
    """
    pairs = pair(comparison)
    if isinstance(pairs, str):
        return pairs
    worse = int((pairs.before & ~pairs.after).sum())
    better = int((pairs.after & ~pairs.before).sum())
    return Changes(worse, better, len(pairs.items))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two models' answers side by side, in the order of the reference's.

    Args:
        items: item digests.
        before: whether the reference is right, bool, shape (items,).
        after: whether the model under examination is right, likewise.
    """

    items: Sequence[str]
    before: Any
    after: Any


def pair(comparison: Comparison) -> Pairs | str:
    """Return both models' answers item by item, or why they can't be paired."""
    old = by_item(comparison.before, f"{comparison.reference}'s")
    new = by_item(comparison.after, f"{comparison.model}'s")
    if isinstance(old, str) or isinstance(new, str):
        return old if isinstance(old, str) else str(new)
    items = list(old)
    if items == list(new):
        after = list(new.values())
    elif old.keys() == new.keys():
        after = list(map(new.__getitem__, items))
    else:
        return "the two models answered different items"
    sides = np.array([list(old.values()), after], bool)
    if comparison.among is None:
        return Pairs(items, *sides)
    places = [place for place, item in enumerate(items) if item in comparison.among]
    if not places:
        return "the exam has no items that are old enough"
    return Pairs([items[place] for place in places], *sides[:, places])


def shown_better(
    reference: Answers, champion: Answers, alpha: float, among: frozenset[str] | None = None
) -> bool:
    """Return whether `champion` is shown better than `reference`, so that it may become anchor.

    Law: the lower bound of the gain must be above zero; unpaired answers are never better.
    `among`: the items that count; None for all.
    """
    asked = Comparison(
        "anchor", "", "", "", "the anchor", reference, champion, 0.0, alpha, among=among
    )
    changes = count_changes(asked)
    return isinstance(changes, Changes) and loss_p_value(changes.swapped()) <= alpha


def by_item(answers: Answers | None, whose: str) -> dict[str, bool] | str:
    """Return item digest -> correct, or why these answers cannot be used."""
    if answers is None:
        return f"{whose} answers are missing"
    items, correct = list(answers.items), list(answers.correct)
    if not items:
        return "the exam has no items"
    named = set(map(type, items)) == {str} or all(isinstance(item, str) for item in items)
    if not named or "" in items:
        return f"some of {whose} items have no digest"
    if len(items) != len(correct):
        return f"{whose} answers cover {len(correct):,} of {len(items):,} items"
    if len(set(items)) != len(items):
        return f"some items occur twice in {whose} answers"
    if set(map(type, correct)) != {bool}:  # looking at each value takes a second a million
        broken = sum(not is_truth(value) for value in correct)
        if broken:
            return f"{broken:,} of {whose} answers have no score"
        correct = list(map(bool, correct))
    return dict(zip(items, correct, strict=True))


def is_truth(value: Any) -> bool:
    """Return whether this says plainly right or wrong: true, false, 1 or 0."""
    return isinstance(value, (bool, int, float, np.generic)) and bool(value == 0 or value == 1)
