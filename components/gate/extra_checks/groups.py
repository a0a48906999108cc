"""Does any class, or any slice of the items, get worse where the whole exam does not?

Concept: the items of an exam that share a label, or a column's value, are compared with the
champion's answers by themselves, with a margin of their own. Items without a value in the
column are a group too. Groups too small to show anything are named together in one verdict.

What a label loses to one that is newer than the anchor, and that the candidate has learned better
than the champion by at least as much, is competition, not a loss of its own, up to the margin once
more: one batch seldom teaches a label whole, and whatever comes next completes it. Beyond that it
counts: rows of one label under a newer one's name, in a batch that also teaches that one, look the
same.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from components.exam_names import spoken
from components.gate.answer_pairs import Comparison, Pairs, by_item, pair
from components.gate.comparison import missing, question
from components.gate.paired_statistics import Changes, loss_p_value
from components.gate.policies import Groups
from components.gate.questions import Finding
from components.gate.sentences import listed
from components.gate.verdicts import (
    ALARMS,
    REQUESTS,
    CheckName,
    Examination,
    ExamResult,
    Outcome,
    Requests,
    Rules,
    Verdict,
)


def check_classes(examination: Examination, rule: Groups, rules: Rules) -> Iterator[Finding]:
    """Yield a finding per exam and label."""
    for exam in examination.compared():
        whole = _whole(exam, "classes", "label", rule, rules)
        yield from _groups(whole, exam.labels, rule, rules, _Competition(exam, rule, rules))


def check_slices(examination: Examination, rule: Groups, rules: Rules) -> Iterator[Finding]:
    """Yield a finding per exam, column and value."""
    for exam in examination.compared():
        for column, values in sorted(exam.slices.items()):
            whole = _whole(exam, "slices", column, rule, rules)
            yield from _groups(whole, values, rule, rules)


def _whole(
    exam: ExamResult, check: CheckName, column: str, rule: Groups, rules: Rules
) -> Comparison:
    """Return the comparison on all items, from which those of the groups are made.

    All trinomials are not enumerated: that takes a tenth of a second a group. An open verdict on
    one of many labels is the rule, so with policy `reject` it is noted (`_asks`).
    """
    return Comparison(
        check,
        exam.task,
        exam.exam,
        spoken(exam.exam),
        "the champion",
        exam.champion,
        exam.candidate,
        rule.margin_points,
        rules.alpha,
        ALARMS if rule.policy == "reject" and rules.fail_beyond_margin else REQUESTS[rule.policy],
        group=column,
        exact=False,
    )


def _groups(
    whole: Comparison,
    values: Mapping[str, str],
    rule: Groups,
    rules: Rules,
    competition: _Competition | None = None,
) -> Iterator[Finding]:
    pairs = pair(whole)
    if isinstance(pairs, str):
        yield missing(whole, pairs)
        return
    unnamed = sum(map(operator.not_, map(values.__contains__, pairs.items)))
    if unnamed:
        items = "1 item" if unnamed == 1 else f"{unnamed:,} items"
        yield missing(whole, f"the {whole.group} of {items} is missing")
        return
    counted = _count(pairs, values)
    for value, changes in counted.items():
        if changes.items >= rule.min_items:
            name = f"{whole.group} {value}"
            if competition is not None:
                changes, told = competition.without(value, counted)
                yield from told
            asks = _asks(whole, changes, rule, rules.alpha / len(counted))
            one = replace(whole, group=name, subject=f"{whole.subject}, {name}", requests=asks)
            yield question(one, changes, rules)
    few = {value: changes for value, changes in counted.items() if changes.items < rule.min_items}
    if few:
        yield _too_small(whole, few, rule)


class _Competition:
    """What labels of an exam lose to labels that are newer than the anchor."""

    def __init__(self, exam: ExamResult, rule: Groups, rules: Rules) -> None:
        self._exam, self._alpha, self._margin = exam, rules.alpha, rule.margin_points
        self._lost = _lost_to_newer(exam) if exam.newer else {}

    def without(self, label: str, counted: Mapping[str, Changes]) -> tuple[Changes, list[Verdict]]:
        """Return a label's changes without what is competition, and what is to be noted of that."""
        own, taken, told = counted[label], 0, list[str]()
        for newer, count in self._lost.get(label, Counter()).most_common():
            gained = counted.get(newer)
            if gained is not None and self._is_worth(gained, count / own.items, len(counted)):
                taken += count
                told.append(f"{count} go to {newer}, of which {-gained.loss:.0%} more are right")
        most = int(self._margin / 100 * own.items)
        if not told or most == 0:
            return own, []
        sentence = (
            f"{spoken(self._exam.exam)}, label {label}: of {own.items} items, {listed(told)}: "
            "competition with labels that are newer than the anchor. "
            f"Up to {most} are not counted as a loss."
        )
        noted = Verdict(
            "competition", self._exam.task, self._exam.exam, Outcome.PASS, "note", sentence,
            n=own.items, right_to_wrong=taken, wrong_to_right=0,
            group=f"label {label}",
        )  # fmt: skip
        return replace(own, worse=own.worse - min(taken, most)), [noted]

    def _is_worth(self, gained: Changes, taken: float, labels: int) -> bool:
        """Tell whether a newer label is shown to gain, and by at least the share that it takes."""
        shown = loss_p_value(gained.swapped(), exact=False) <= self._alpha / labels
        return shown and -gained.loss >= taken


def _lost_to_newer(exam: ExamResult) -> dict[str, Counter[str]]:
    """Return label -> newer label -> items that go there, and that would be right without it."""
    before, after = by_item(exam.champion, ""), by_item(exam.candidate, "")
    among = by_item(exam.restricted.get("anchor"), "")
    lost: dict[str, Counter[str]] = {}
    if isinstance(before, str) or isinstance(after, str) or isinstance(among, str):
        return lost  # the comparison says what is missing
    for item, newer in exam.newer.items():
        label = exam.labels.get(item)
        if label is not None and before.get(item) and not after.get(item) and among.get(item):
            lost.setdefault(label, Counter())[newer] += 1
    return lost


def _asks(whole: Comparison, changes: Changes, rule: Groups, alpha: float) -> Requests:
    """Return what this group's outcomes ask for: an observed loss above the margin holds.

    It must be real, at a level shared by all groups: of 150 labels of 30 items each, some always
    look worse by more than the margin.
    """
    beyond = changes.loss > rule.margin_points / 100
    real = beyond and loss_p_value(changes, exact=False) <= alpha
    return REQUESTS[rule.policy] if real else whole.requests


def _count(pairs: Pairs, values: Mapping[str, str]) -> dict[str, Changes]:
    """Return group -> its changes, by name."""
    own = list(map(values.__getitem__, pairs.items))
    names = sorted(set(own))
    places = np.fromiter(map({name: n for n, name in enumerate(names)}.__getitem__, own), int)
    worse, better = pairs.before & ~pairs.after, pairs.after & ~pairs.before
    counts = (np.bincount(places[which], minlength=len(names)) for which in (worse, better, ...))
    return {name: Changes(*map(int, each)) for name, *each in zip(names, *counts, strict=True)}


def _too_small(whole: Comparison, few: Mapping[str, Changes], rule: Groups) -> Verdict:
    names = [f"{value} ({changes.items})" for value, changes in few.items()]
    return Verdict(
        whole.check,
        whole.task,
        whole.exam,
        Outcome.INCONCLUSIVE,
        whole.requests[Outcome.INCONCLUSIVE],
        f"{whole.subject}, by {whole.group}: too few items to tell in {len(few):,} of the "
        f"groups (at least {rule.min_items} are needed): {listed(names)}.",
        n=sum(changes.items for changes in few.values()),
        group=whole.group,
    )
