"""What probably went wrong with a batch, in words, where the recorded facts carry it.

Concept: evidence records how the champion answered the batch's rows, beside the rows held out of
earlier batches, in what languages the texts are, and how many the base cuts or does not know; the
same of each file of a pool. Each rule names one cause; what no rule is sure of has no cause. Of
texts that the champion can't read it knows nothing: then labels are doubted only where the rest of
the rows, which evidence has apart, shows it.

Promise: pure, and conservative: a cause needs the champion to be good on earlier rows of the same
labels, a difference that chance does not explain, and, where labels are doubted though most of
them agree, texts that look like the earlier ones. A champion that is merely poor on hard texts is
wrong in many ways and unsure; it gives no cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

from components.evaluation.cause import Cause, percent
from components.evaluation.reading import reading_causes
from components.gate.binomial import binomial_bounds

__all__ = ["Cause", "causes", "doubts", "reading_causes"]

Task = Mapping[str, Any]
"""Of a task: `batch` and `held`, a `Told` each; `rows`, how many the batch has, in newer evidence.
"""

Told = Mapping[str, Mapping[str, tuple[int, int]]]
"""Label -> the champion's answer -> (rows, those of them that it was sure of)."""

EACH, FLIPPED, SWAPPED = 0.4, 0.6, 0.4
"""A label is turned where this share of its rows is answered as one other; labels are flipped or
swapped where that is shown of more than these shares of their rows. Two labels of a task are mixed
up by chance in half of the cases, two of many almost never."""

NAMED = 3
"""So many labels a cause names."""

ERROR = 0.001
"""One-sided error of what is shown."""

GOOD = 0.7
"""The champion knows a label that it answers so often on rows held out of earlier batches."""

WRONG, WRONG_ROWS, UNSURE_ERROR = 0.1, 40, 0.025
"""Labels look wrong from this share on, on so many rows of either side, unless the champion is
less sure of its disagreements, at this error."""

_CONCEPT = ("concept",)
_ALIKE = ("domain_classifier", "mmd", "outliers", "language")


def causes(evidence: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Return the probable causes that a document of evidence shows, the clearest first.

    Of a pool each is told with its file, where the file shows it by itself.
    """
    files = [
        replace(cause, title=f"{part['source']}: {cause.title}")
        for part in evidence.get("files") or ()
        for cause in _causes(part)
    ]
    named = {each.sort for each in files}
    return (*files, *(each for each in _causes(evidence) if each.sort not in named))


def doubts(likely: Iterable[Cause]) -> tuple[Cause, ...]:
    """Return those that are true of a version that got in as well: labels stay wrong."""
    return tuple(cause for cause in likely if cause.doubts_labels)


def _causes(evidence: Mapping[str, Any]) -> tuple[Cause, ...]:
    reading = reading_causes(evidence)
    if not reading:
        return _doubted(evidence)
    alike = evidence.get("alike") or {}
    doubted = tuple(
        replace(each, detail=f"among texts like the earlier ones {each.detail}")
        for each in _doubted(alike)
    )
    mostly = 2 * _disagreements(alike) > _disagreements(evidence)
    return (*doubted, *reading) if mostly else (*reading, *doubted)


def _doubted(evidence: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Return the causes that lie in labels."""
    found = {each["name"]: each for each in evidence.get("drift") or ()}
    answers = evidence.get("answers") or _from_counts(evidence, found)
    doubted: list[Cause] = []
    for task, told in sorted(answers.items()):
        doubted += [*_turned(task, told)] or _wrong(task, told, found)
    return tuple(doubted)


def _disagreements(evidence: Mapping[str, Any]) -> int:
    """Return how many rows of the batch the champion answers with another label."""
    return sum(
        _count(given) - _of(given, label)
        for told in (evidence.get("answers") or {}).values()
        for label, given in told["batch"].items()
    )


def _turned(task: str, told: Task) -> Iterator[Cause]:
    """Yield the labels of a task that stand for each other: all of them, or pairs."""
    batch: Told = told["batch"]
    held: Told = told["held"]
    asked = _asked(told)
    known = [label for label in batch if _share(held.get(label, {}), label) >= GOOD]
    turned = {
        label: other
        for label in known
        for other in batch[label]
        if other != label and _share(batch[label], other) >= EACH
    }
    pairs = [
        {one: other, other: one}
        for one, other in combinations(sorted(turned), 2)
        if turned[one] == other and turned[other] == one
    ]
    if len(batch) == 2:
        if pairs and _least(batch, turned) > FLIPPED:
            detail = f"{_disagreement(told, turned)}{asked}"
            title = f"labels of {task} look flipped"
            yield Cause("flipped", title, detail, task, turned, _CONCEPT)
        return
    sure = [pair for pair in pairs if _least(batch, pair) > SWAPPED]
    astray = {label: other for label, other in turned.items() if turned.get(other) != label}
    ring = {label: other for label, other in astray.items() if other in astray}
    many = len(turned) * 2 > len(known) or {*ring} == {*ring.values()}
    apart = len({*astray.values()}) == len(astray)  # a champion that is lost answers one label
    if len(astray) > 2 and many and apart and _least(batch, turned) > SWAPPED:
        title = f"labels of {task} look mixed up"
        detail = f"{_crossed(batch, astray)}; {_before(held)}{asked}"
        yield Cause("mixed up", title, detail, task, astray, _CONCEPT)
        return
    for pair in sure:
        title = f"two labels of {task} look swapped: {' and '.join(pair)}"
        detail = f"{_crossed(batch, pair)}{asked}"
        yield Cause("swapped", title, detail, task, pair, _CONCEPT)


def _crossed(batch: Told, turned: Mapping[str, str]) -> str:
    """Say which labels the champion answers as which other ones, the most frequent first."""
    rows = sorted(turned, key=lambda label: -_of(batch[label], turned[label]))
    said = [
        f"{_of(batch[label], turned[label]):,} of {_count(batch[label]):,} rows labelled {label} "
        f"as {turned[label]}"
        for label in rows[:NAMED]
    ]
    left = len(rows) - NAMED
    more = [f"and so on for {left} more label{'s' * (left > 1)}"] if left > 0 else []
    return f"the champion answers {', '.join([*said, *more])}"


def _least(batch: Told, turned: Mapping[str, str]) -> float:
    """Return the least share of these labels' rows that the champion answers the other way."""
    crossed = sum(_of(batch[label], other) for label, other in turned.items())
    rows = sum(_count(batch[label]) for label in turned)
    return binomial_bounds(crossed, rows, ERROR)[0] if rows else 0.0


def _asked(told: Task) -> str:
    """Say of how many of a task's rows the answers are, where they are not of all."""
    asked, rows = sum(map(_count, told["batch"].values())), told.get("rows") or 0
    return f" (asked {asked:,} of the task's {rows:,} rows in the batch)" if asked < rows else ""


def _disagreement(told: Task, turned: Mapping[str, str]) -> str:
    batch = told["batch"]
    rows = sum(_count(batch[label]) for label in turned)
    wrong = rows - sum(_of(batch[label], label) for label in turned)
    return (
        f"the champion answers {wrong:,} of {rows:,} rows with another label; "
        f"{_before(told['held'])}"
    )


def _wrong(task: str, told: Task, found: Mapping[str, Any]) -> list[Cause]:
    """Return whether a part of a task's labels looks wrong, on texts like the earlier ones.

    Right answers to earlier rows are sure in a known share of cases. Where labels are wrong the
    champion is as sure of its answer; where it errs it is less so.
    """
    batch: Told = told["batch"]
    held: Told = told["held"]
    labels = [label for label in batch if _count(held.get(label, {}))]
    now, past = ([side[label] for label in labels] for side in (batch, held))
    rows, before = (sum(map(_count, side)) for side in (now, past))
    if rows < WRONG_ROWS or before < WRONG_ROWS or any(_drifted(found, name) for name in _ALIKE):
        return []
    right = sum(_of(each, label) for each, label in zip(past, labels, strict=True))
    sure = sum(_sure(each, label) for each, label in zip(past, labels, strict=True))
    if right < GOOD * before or not sure:
        return []
    doubts, old = (
        sum(sum(_sure(each, other) for other in each if other != label)
            for each, label in zip(side, labels, strict=True))
        for side in (now, past)
    )  # fmt: skip
    wrong = rows - sum(_of(each, label) for each, label in zip(now, labels, strict=True))
    share = (doubts / rows - old / before) / (sure / right)
    if share < WRONG:  # before anything that loads SciPy: `status` asks this of every batch
        return []
    unsure = not wrong or binomial_bounds(doubts, wrong, UNSURE_ERROR)[0] < sure / right / 2
    if unsure or _chance_of_more((doubts, rows), (old, before)) > ERROR:
        return []
    worst = {
        label: max(
            (other for other in batch[label] if other != label),
            key=lambda other: (_of(batch[label], other), other),
            default="",
        )
        for label in sorted(
            labels, key=lambda label: _of(batch[label], label) - _count(batch[label])
        )[:NAMED]
    }
    worst = {label: other for label, other in worst.items() if other}
    return [
        Cause(
            "wrong labels",
            f"about {100 * min(share, 1):.0f} % of the labels of {task} look wrong",
            f"the champion disagrees with {wrong:,} of {rows:,} rows and is as sure of it as when "
            f"it is right; {_crossed(batch, worst)}; {_before(held)}{_asked(told)}",
            task,
            worst,
            _CONCEPT,
        )
    ]


def _chance_of_more(now: tuple[int, int], before: tuple[int, int]) -> float:
    """Return the chance of so many hits of the rows now, were both sides alike (Fisher, exact)."""
    from scipy.stats import hypergeom

    hits, rows = now[0] + before[0], now[1] + before[1]
    return float(hypergeom.sf(now[0] - 1, rows, hits, now[1]))


def _from_counts(evidence: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Task]:
    """Return the same of older evidence, where there are two labels: wrong is the other one."""
    concept, labels = found.get("concept"), evidence.get("labels") or ()
    counts = (evidence.get("counts") or {}).get("answered") or {}
    if concept is None or not concept["drifted"] or len(labels) != 2 or len(counts) != 1:
        return {}
    [(task, answered)] = counts.items()
    before = {each["name"].removeprefix(f"{task}, "): each["before"] for each in concept["classes"]}
    told: dict[str, Any] = {"batch": {}, "held": {}}
    for label, (rows, wrong) in answered.items():
        if label not in labels or before.get(label) is None:
            continue
        [other] = {*labels} - {label}
        told["batch"][label] = {label: (rows - wrong, 0), other: (wrong, 0)}
        past = round(100 * before[label])
        told["held"][label] = {label: (100 - past, 0), other: (past, 0)}
    return {task: told}


def _before(held: Told) -> str:
    rows = sum(map(_count, held.values()))
    wrong = rows - sum(_of(each, label) for label, each in held.items())
    return f"of earlier rows the champion gets {percent(wrong / rows if rows else 0)} wrong"


def _share(answers: Mapping[str, tuple[int, int]], label: str) -> float:
    rows = _count(answers)
    return _of(answers, label) / rows if rows else 0.0


def _count(answers: Mapping[str, tuple[int, int]]) -> int:
    return sum(rows for rows, _ in answers.values())


def _of(answers: Mapping[str, tuple[int, int]], label: str) -> int:
    return answers.get(label, (0, 0))[0]


def _sure(answers: Mapping[str, tuple[int, int]], label: str) -> int:
    return answers.get(label, (0, 0))[1]


def _drifted(found: Mapping[str, Any], name: str) -> bool:
    return bool(found.get(name, {}).get("drifted"))
