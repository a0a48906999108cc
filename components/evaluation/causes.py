"""What probably went wrong with a batch, in words, where the recorded facts carry it.

Concept: evidence records how the champion answered the batch's rows, beside the rows held out of
earlier batches, in what languages the texts are, and how many the base cuts or does not know. Each
rule names one cause; what no rule is sure of has no cause.

Promise: pure, and conservative: a cause needs the champion to be good on earlier rows of the same
labels, a difference that chance does not explain, and, where labels are doubted though most of
them agree, texts that look like the earlier ones. A champion that is merely poor on hard texts is
wrong in many ways and unsure; it gives no cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from components.gate.binomial import binomial_bounds

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

MOVED = 0.3
"""From this share of texts on, another language is a cause."""

CUT = 0.2
"""From this share of rows on, and this much more than before, cutting texts is a cause."""

_CONCEPT = ("concept",)
_REMEDIES = {
    "language": "If these texts belong to the model, give them a task of their own (`ratchet run "
    "FILE --task NAME`) with an exam in their language; a base that knows it learns it better "
    "(`model.base`, in a new root)",
    "script": "Use a base that knows the script (`model.base`, in a new root), or leave these rows "
    "out",
    "cut": "Raise `model.max_tokens` in a new root, or shorten the texts",
}
_CORRECT = "Correct the labels and send the rows again"
_ALIKE = ("domain_classifier", "mmd", "outliers", "language")

_LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "cs": "Czech", "da": "Danish",
    "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cause:
    """A probable cause: `title` in a few words, `detail` with the numbers that show it.

    Rows that show it are those of `task` with a label of `turned` that the champion answers as
    what stands there; or the examples of the drift findings in `findings`, the first that has any.
    """

    kind: str
    title: str
    detail: str
    task: str = ""
    turned: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[str, ...] = ()

    @property
    def doubts_labels(self) -> bool:
        """Whether it says that labels of the task are wrong."""
        return bool(self.turned)

    @property
    def remedy(self) -> str:
        """What to do about it, without a full stop."""
        return _CORRECT if self.doubts_labels else _REMEDIES[self.kind]

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.title}: {self.detail}"


def causes(evidence: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Return the probable causes that a document of evidence shows, the clearest first."""
    found = {each["name"]: each for each in evidence.get("drift") or ()}
    answers = evidence.get("answers") or _from_counts(evidence, found)
    doubted: list[Cause] = []
    for task, told in sorted(answers.items()):
        doubted += [*_turned(task, told)] or _wrong(task, told, found)
    return (*doubted, *_language(found), *_texts(evidence.get("texts") or {}))


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
    if len(astray) > 2 and many and _least(batch, turned) > SWAPPED:
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
    more = [f"and more of {len(rows) - NAMED} other labels"] if len(rows) > NAMED else []
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
    chance = _chance_of_more((doubts, rows), (old, before))
    unsure = not wrong or binomial_bounds(doubts, wrong, UNSURE_ERROR)[0] < sure / right / 2
    if share < WRONG or chance > ERROR or unsure:
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


def _language(found: Mapping[str, Any]) -> Iterator[Cause]:
    finding = found.get("language")
    if finding is None or not finding["drifted"] or finding["effect"] < MOVED:
        return
    moved = max(finding["classes"], key=lambda each: (each["after"] or 0) - (each["before"] or 0))
    name = _LANGUAGES.get(moved["name"], f"language {moved['name']}")
    yield Cause(
        "language",
        f"texts in another language: {name}",
        f"{_percent(moved['after'])} of them, {_percent(moved['before'])} of the earlier ones",
        findings=("language",),
    )


def _texts(told: Mapping[str, Any]) -> Iterator[Cause]:
    """Yield what the base does not read: pieces that it does not know, ends that are cut off."""
    now, past = told.get("batch"), told.get("earlier")
    if not now or not now["rows"]:
        return
    unknown, before = (_rate(side, "unknown", "tokens") for side in (now, past))
    if unknown >= CUT and unknown >= before + CUT:
        yield Cause(
            "script",
            "texts in a script that the base does not know",
            f"{_percent(unknown)} of their pieces are unknown to it, {_percent(before)} before",
            findings=("language", "outliers", "domain_classifier"),
        )
    cut, before = (_rate(side, "cut", "rows") for side in (now, past))
    if cut >= CUT and cut >= before + CUT:
        yield Cause(
            "cut",
            f"texts cut at {told['max_tokens']} tokens",
            f"{_percent(cut)} of the rows are longer, {_percent(before)} before",
            findings=("length",),
        )


def _from_counts(evidence: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Task]:
    """Return the same of older evidence, where there are two labels: wrong is the other one."""
    concept, labels = found.get("concept"), evidence["labels"]
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
    return f"of earlier rows the champion gets {_percent(wrong / rows if rows else 0)} wrong"


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


def _rate(side: Mapping[str, int] | None, part: str, whole: str) -> float:
    return side[part] / side[whole] if side and side[whole] else 0.0


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0):.0f} %"
