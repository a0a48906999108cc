"""Who answered which item correctly, read off evidence: exam by exam, item by item.

Concept: evidence has a string of 0, 1 and ? for each model and exam; the snapshot that it names has
the exam's items, in the same order. An exam of a known task is asked only of items whose label the
champion knows: `asked` marks these.

Promise: evidence of an older Ratchet without these marks gives no sitting where items were left
out: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

from components.gate.verdicts import ExamResult
from components.pipeline.exams import Exam
from components.workspace.root import Workspace

KEPT = 2_000
_READ: dict[tuple[Path, str], Paper] = {}


@dataclass(frozen=True, slots=True)
class Sitting:
    """The items that a version answered, and those of them that it answered correctly."""

    asked: frozenset[str] = frozenset()
    right: frozenset[str] = frozenset()

    def __or__(self, other: Sitting) -> Sitting:
        """Return both sittings of one version as one."""
        return Sitting(self.asked | other.asked, self.right | other.right)

    def accuracy(self, among: frozenset[str] | None = None) -> float | None:
        """Return the share of right answers, of all items or of those `among` them."""
        asked = self.asked if among is None else self.asked & among
        return len(self.right & asked) / len(asked) if asked else None


@dataclass(frozen=True, slots=True)
class Paper:
    """What of an evidence document the sittings need; `kept`: exam -> model -> its answers.

    `brought`: the exams of the tasks that its batch holds, `known`: of those that the champion
    had learned; `marks`: exam -> the items asked.
    """

    snapshot: str
    kept: Mapping[str, Mapping[str, str | None]]
    marks: Mapping[str, str]
    brought: frozenset[str]
    known: frozenset[str]

    def accuracies(self, who: str) -> dict[str, float | None]:
        """Return exam -> accuracy of a model on the exam as it was."""
        return {exam: accuracy(kept[who]) for exam, kept in self.kept.items()}


def asked_marks(results: Iterable[ExamResult], exams: Collection[Exam]) -> dict[str, str]:
    """Return exam -> which of its items were asked (1) or not (0), where not all of them were."""
    items = {exam.name: [item.digest for item in exam.items] for exam in exams}
    found = {}
    for result in results:
        given = result.candidate
        if given is not None and len(given.items) != len(items[result.exam]):
            own = frozenset(given.items)
            found[result.exam] = "".join("01"[item in own] for item in items[result.exam])
    return found


def paper(document: Mapping[str, Any]) -> Paper:
    """Return what of a document the sittings need."""
    exams = document["exams"]
    return Paper(
        document["snapshot"],
        {each["exam"]: {who: each[who] for who in ("champion", "candidate")} for each in exams},
        document.get("asked") or {},
        frozenset(each["exam"] for each in exams if each["in_batch"]),
        frozenset(each["exam"] for each in exams if each["known"]),
    )


def paper_of(ws: Workspace, evidence: str) -> Paper:
    """Return the same of a stored document, each read once per process."""
    key = ws.root, evidence
    if key not in _READ:
        if len(_READ) >= KEPT:
            _READ.clear()
        _READ[key] = paper(ws.read_document(evidence))
    return _READ[key]


def sittings(ws: Workspace, of: Paper) -> dict[str, dict[str, Sitting]]:
    """Return model ("champion", "candidate") -> exam -> what it answered of it."""
    items = ws.read_document(of.snapshot)
    found: dict[str, dict[str, Sitting]] = {"champion": {}, "candidate": {}}
    for exam, kept in of.kept.items():
        for who, own in found.items():
            given = _sitting(items[exam], of.marks.get(exam), kept[who])
            if given.asked:
                own[exam] = given
    return found


def _sitting(items: list[str], marks: str | None, answers: str | None) -> Sitting:
    asked = items if marks is None else [*compress(items, map(int, marks))]
    if answers is None or len(answers) != len(asked):
        return Sitting()
    given = [(item, bit) for item, bit in zip(asked, answers, strict=True) if bit != "?"]
    return Sitting(
        frozenset(item for item, _ in given), frozenset(item for item, bit in given if bit == "1")
    )


def accuracy(bits: str | None) -> float | None:
    """Return the share of right answers in a string of 0 and 1."""
    return bits.count("1") / len(bits) if bits else None
