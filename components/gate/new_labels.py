"""What new labels cost the known ones, and whether that is worth it.

Concept: a model that learns a label must give it some items, and a few of these will be items of
other labels. That is no forgetting: among the labels that it knew, the model may answer as well as
ever. So the two are asked apart: forgetting among the known labels alone, competition by what goes
to the new ones. What is paid is shown beside what is gained: with what new labels take from known
ones and what is right of their own, the accuracy over all labels, each counted alike, must be
shown better than with the known ones alone.

Promise: a gain on new labels never offsets what one known label loses; and a new label that takes
most of one known label's items is held, for it may be the same label renamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist, pvariance

from components.gate.answer_pairs import by_item
from components.gate.sentences import listed, number
from components.gate.sources import Source, deciding
from components.gate.verdicts import (
    BLOCKS,
    Examination,
    ExamResult,
    NewTask,
    Outcome,
    Rules,
    Verdict,
)

RENAMED_FROM = 10
"""A label needs so many items that were right before it can be called renamed."""

PAIRS = 3
"""How many confused pairs a sentence names."""


def has_new_labels(source: Source) -> bool:
    """Tell whether the candidate knows labels that the champion does not."""
    if isinstance(source, ExamResult):
        return "champion" in source.restricted
    return any("champion" in each.restricted for each in source.differing)


def check_new_labels(examination: Examination, rules: Rules) -> list[Verdict]:
    """Return, per known task with new labels, the balance of all labels and suspected renames."""
    decides = deciding(examination, rules)
    exams = [exam for exam in examination.exams if exam.known and has_new_labels(exam)]
    found = [verdict for exam in exams for verdict in _renames(exam)]
    for task in sorted({exam.task for exam in exams}):
        own = [exam for exam in exams if exam.task == task and exam.labels]
        best = max(own, key=lambda each: (each.exam in decides, each.size), default=None)
        new = [part for part in examination.learned if part.task == task and part.label]
        if best is not None and new:
            found += _balance(best, new, rules)
    return found


def _renames(exam: ExamResult) -> Iterator[Verdict]:
    right = by_item(exam.restricted["champion"], "the candidate's")
    if isinstance(right, str):
        return
    taken: Counter[tuple[str, str]] = Counter()
    for item, label in exam.taken.items():
        if right.get(item) and item in exam.labels:
            taken[exam.labels[item], label] += 1
    own = Counter(label for item, label in exam.labels.items() if right.get(item))
    for (label, new), count in sorted(taken.items()):
        if own[label] >= RENAMED_FROM and 2 * count > own[label]:
            yield Verdict(
                "competition", exam.task, exam.exam, Outcome.INCONCLUSIVE, "hold",
                f"{exam.task}: the new label {new!r} takes {count} of {own[label]} items of "
                f"{label!r} that were right: if it is the same label renamed, send the batch with "
                "the name that is known.",
                n=own[label], right_to_wrong=count, wrong_to_right=0, group=label,
            )  # fmt: skip


def _balance(exam: ExamResult, new: Sequence[NewTask], rules: Rules) -> Iterator[Verdict]:
    """Yield whether the mean accuracy over all labels is shown better for the new ones.

    The candidate is held against itself without them: what changes among the known labels is
    judged as forgetting, and its noise over a hundred labels would hide what a new one gains.
    """
    before, after = by_item(exam.restricted["champion"], ""), by_item(exam.candidate, "")
    if isinstance(before, str) or isinstance(after, str):
        return  # the comparisons of this exam say what is missing
    known: dict[str, list[int]] = {}
    for item, label in exam.labels.items():
        if item in after and item in before:
            known.setdefault(label, []).append(after[item] - before[item])
    learned = {part.label: by_item(part.candidate, "") for part in new}
    rows = {
        name: [int(right) for right in rows.values()]
        for name, rows in learned.items()
        if name is not None and isinstance(rows, Mapping)
    }
    known = {label: gains for label, gains in known.items() if label not in rows}
    gains = {**known, **rows}
    mean = sum(sum(each) / len(each) for each in gains.values()) / len(gains)
    spread = sum(_squared_errors(known, rows)) ** 0.5 / len(gains)
    least = mean - NormalDist().inv_cdf(1 - rules.alpha) * spread
    outcome = Outcome.PASS if least > 0 else Outcome.INCONCLUSIVE
    names = listed(sorted(label for label in learned if label is not None), PAIRS)
    ending = "worth it" if outcome is Outcome.PASS else "not shown to be worth it"
    yield Verdict(
        "balance", exam.task, exam.exam, outcome, BLOCKS[outcome],
        f"{exam.task}: with the new labels ({names}), the accuracy over all {len(gains)} labels, "
        f"each counted alike, changes by {number(100 * mean)} points (at least "
        f"{number(100 * least, 0)}) against the same model without them: {ending}.{_pairs(exam)}",
        effect_points=-100 * mean, upper_points=-100 * least, margin_points=0.0,
        n=sum(map(len, gains.values())), level=rules.alpha,
    )  # fmt: skip


def _squared_errors(
    known: Mapping[str, Sequence[int]], new: Mapping[str, Sequence[int]]
) -> Iterator[float]:
    """Yield the squared standard error of each label's mean gain.

    Few items of one known label tell little of how often answers change, so its variance is at
    least that of all known labels together; for each by itself, the unseen changes that `_variance`
    allows for would add up over a hundred labels to more than a new label can gain.
    """
    together = _variance([gain for gains in known.values() for gain in gains])
    for gains in known.values():
        yield max(pvariance(gains), together) / len(gains)
    for gains in new.values():
        yield _variance(gains) / len(gains)


def _variance(values: Sequence[int]) -> float:
    """Return the variance of gains in {-1, 0, 1}, as if one more of each had been seen."""
    more = [*values, -1, 0, 1]
    mean = sum(more) / len(more)
    return sum((value - mean) ** 2 for value in more) / len(more)


def _pairs(exam: ExamResult) -> str:
    """Return which known labels lose items to which new ones, most often first."""
    taken = Counter(
        (exam.labels[item], label) for item, label in exam.taken.items() if item in exam.labels
    )
    named = [f"{old} to {new} ({count})" for (old, new), count in taken.most_common(PAIRS)]
    return f" Items of known labels that go to new ones: {listed(named, PAIRS)}." if named else ""
