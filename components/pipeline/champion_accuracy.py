"""How good the champion is on each task, and whether it got better: read off the evidence.

Concept: the newest examination in which the champion answered a task's exam tells its accuracy: its
own, or that of a later candidate, which was held against it on the exam of that day. The trend
compares it with the versions before it on items that all of them answered.

Promise: read only, from ledger and documents, without a model; a number comes with its items, its
interval and its date, and what nobody measured is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from components.errors import Corrupted
from components.exam_names import task_of
from components.gate.binomial import binomial_bounds
from components.gate.sources import choose, least_items
from components.ledger import views
from components.pipeline.accuracy_history import same_items
from components.pipeline.examination import rules
from components.pipeline.sittings import paper_of
from components.workspace.root import Workspace

OWN_ROWS = "rows held out of its batch"
"""What stands in an exam's place where a task has none yet."""

_ONE_SIDED_ERROR = 0.025
"""Of each end of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Point:
    """A version's accuracy, in percent, on the items that the whole trend shares."""

    version: int
    percent: float


@dataclass(frozen=True, slots=True)
class Trend:
    """The champion, last, and versions before it, all on the same `items`, oldest first.

    `change_points`: from the first of them to the champion; None where there is nothing before it.
    """

    items: int = 0
    points: tuple[Point, ...] = ()
    change_points: float | None = None


@dataclass(frozen=True, slots=True)
class TaskAccuracy:
    """The champion on one task.

    Args:
        task, exam: what was asked; `exam` is `OWN_ROWS` where the task has no exam yet.
        right, items: correct answers, of so many.
        percent, low, high: the accuracy and its exact 95 % interval (Clopper and Pearson 1934).
        examined: when, in ISO 8601 (UTC); empty where an older Ratchet did not record it.
        trend: over the versions in force so far, on the same items.
    """

    task: str
    exam: str
    right: int
    items: int
    percent: float
    low: float
    high: float
    examined: str
    trend: Trend


@dataclass(frozen=True, slots=True)
class _Sized:
    """An exam in a document, as far as choosing the one that decides looks at it."""

    exam: str
    size: int
    in_batch: bool
    charged: float


def champion_accuracy(ws: Workspace) -> list[TaskAccuracy]:
    """Return how good the champion is on each of its tasks that was measured, by task.

    Of several labelled exams of a task, the one that decides.
    """
    champion = views.champion(ws.ledger)
    if champion is None:
        return []
    found: dict[str, TaskAccuracy] = {}
    own = ws.read_document(champion.evidence)
    for task, bits in _own_rows(own):
        found[task] = _measured(task, OWN_ROWS, bits, _examined_at(ws, champion), Trend())
    trends = _trends(ws)
    for version, document, who in _examinations(ws, champion, own):  # the newest stays
        when = _examined_at(ws, version)
        for exam in _deciding(ws, document):
            bits = exam[who]
            if bits and exam["task"] in champion.anchors:
                name, task = exam["exam"], exam["task"]
                found[task] = _measured(task, name, bits, when, trends.get(name, Trend()))
    return [found[task] for task in sorted(found)]


def shown_exams(
    ws: Workspace, told: Iterable[TaskAccuracy], versions: Iterable[views.Version]
) -> dict[str, str]:
    """Return task -> the exam on which it is shown over these versions, the newest first.

    That on which the champion is told; of a task that it does not know, the one that decides.
    """
    found = {each.task: each.exam for each in told if each.exam != OWN_ROWS}
    for version in versions:
        try:
            deciding = _deciding(ws, ws.read_document(version.evidence))
        except Corrupted:
            continue
        for exam in deciding:
            found.setdefault(exam["task"], exam["exam"])
    return found


def _measured(task: str, exam: str, bits: str, when: str, trend: Trend) -> TaskAccuracy:
    right, items = bits.count("1"), len(bits)
    low, high = binomial_bounds(right, items, _ONE_SIDED_ERROR)
    percent = 100 * right / items
    return TaskAccuracy(task, exam, right, items, percent, 100 * low, 100 * high, when, trend)


def _examinations(
    ws: Workspace, champion: views.Version, own: Mapping[str, Any]
) -> Iterator[tuple[views.Version, Mapping[str, Any], Literal["candidate", "champion"]]]:
    """Yield the champion's own examination, and the newest that it was held against."""
    yield champion, own, "candidate"
    for later in views.versions(ws.ledger, parent=champion.version)[-1:]:
        yield later, ws.read_document(later.evidence), "champion"


def _examined_at(ws: Workspace, version: views.Version) -> str:
    found = views.examined(ws.ledger, version)
    return found.time if found else ""


def _deciding(ws: Workspace, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the exam that decides, of each task; the largest where none is large enough."""
    exams = {each["exam"]: each for each in document["exams"]}
    sized = [
        _Sized(name, each["n"], True, each.get("spent", 0) + each["refusals"])
        for name, each in exams.items()
    ]
    chosen = choose(sized, least_items(rules(ws).at_look(0)))
    return [exams[each.exam] for each in chosen.values()]


def _own_rows(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (task, answers) of the candidate to the rows held out of its own batch."""
    for part in document["learned"]:
        if part["label"] is None and part["candidate"]:
            yield part["task"], part["candidate"]


def _trends(ws: Workspace) -> dict[str, Trend]:
    """Return exam -> how the versions in force so far did on the items that they share.

    A version that did not know the exam's task has no point.
    """
    lineage = views.lineage_evidence(ws.ledger)
    now = views.renamed_tasks(ws.ledger)
    known = {
        each.version: {now.get(task, task) for task in each.anchors}
        for each in views.versions(ws.ledger)
    }
    shared = same_items(ws, [paper_of(ws, evidence) for _, evidence in lineage])
    numbers = [version for version, _ in lineage][-len(shared.rows) :]
    found = {}
    for column, exam in enumerate(shared.exams):
        cells = [row[column] for row in shared.rows]
        points = [
            Point(version, 100 * cell)
            for version, cell in zip(numbers, cells, strict=True)
            if cell is not None and task_of(exam) in known[version]
        ]
        change = points[-1].percent - points[0].percent if len(points) > 1 else None
        found[exam] = Trend(shared.items[column], tuple(points), change)
    return found
