"""What a version gets wrong: which labels it confuses, what broke, what was fixed.

Concept: the exams as they stand now are answered by the version and by its parent (`same_items`).
An item is broken if the parent was right and the version is wrong, fixed the other way round.

Promise: a table that is written for correction names each item by its digest, and comes back by
`ratchet exam relabel`. Its rows are held out: nothing here lets them train (law 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.data.exported_table import ID, require_new, write_table
from components.ledger import views
from components.operations.explanation import registered
from components.operations.same_items import Answered, Sitting, sit
from components.workspace.root import Workspace

CONFIDENT = 0.9
"""From which probability on a wrong answer counts as confident."""

CHANGES = ("broke", "wrong before too", "wrong", "fixed", "learned")
"""What became of an item beside the parent; plain `wrong` where there is no parent, `learned` where
it is right and has a label that the parent did not know."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """An item that is wrong now, or was before. `before`: what the parent answered, if it has one.

    `change`: one of `CHANGES`. `new_label`: the answer is a label that the parent did not know.
    """

    item: str
    exam: str
    task: str
    text: str
    label: str
    answer: str
    confidence: float
    before: str | None
    change: str
    new_label: bool

    @property
    def wrong(self) -> bool:
        """Whether the version is wrong; fixed items are here as well."""
        return self.answer != self.label

    @property
    def confident(self) -> bool:
        """Whether it is wrong, and sure of it."""
        return self.wrong and self.confidence >= CONFIDENT


@dataclass(frozen=True, slots=True)
class Confused:
    """How often items of one label were given another one; `before`: by the parent."""

    label: str
    answer: str
    items: int
    before: int | None
    of: int


@dataclass(frozen=True, slots=True)
class TaskMistakes:
    """One task: `items` answered, how many right, now and by the parent.

    `new_to_parent`: how many have a label that the parent did not know, so it got them wrong.
    `matrix`: label -> answer -> items; `confused`: its pairs off the diagonal, most items first;
    `mistakes`: broken ones first, then surest first.
    """

    task: str
    exams: Mapping[str, int]
    items: int
    right: int
    right_before: int | None
    new_to_parent: int
    matrix: Mapping[str, Mapping[str, int]]
    confused: Sequence[Confused]
    mistakes: Sequence[Mistake]

    def of(self, change: str) -> list[Mistake]:
        """Return the mistakes of one change."""
        return [each for each in self.mistakes if each.change == change]


@dataclass(frozen=True, slots=True)
class Mistakes:
    """What a version gets wrong. `parent`: the version beside it; None: it is the first.

    `decided_on`: how many of the items its own decision was based on.
    """

    version: int
    status: str
    parent: int | None
    batch: str | None
    snapshot: str
    items: int
    decided_on: int
    left_out: Mapping[str, int]
    tasks: Sequence[TaskMistakes]

    def wrong(self) -> list[Mistake]:
        """Return all items that are wrong now, task by task."""
        return [each for task in self.tasks for each in task.mistakes if each.wrong]


def find_mistakes(ws: Workspace, version: views.Version, task: str | None = None) -> Mistakes:
    """Let a version and its parent answer the exams as they stand now, and compare.

    Raises:
        ConfigError, Corrupted: as `same_items.sit`.
    """
    parent = None if version.parent is None else registered(ws, version.parent)
    sitting = sit(ws, [version, *([parent] if parent else [])], task)
    tasks = [_of_task(name, rows, sitting) for name, rows in sitting.by_task().items()]
    return Mistakes(
        version.version,
        version.status,
        version.parent,
        version.batch,
        sitting.snapshot,
        len(sitting.rows),
        _decided_on(ws, version, sitting),
        sitting.left_out,
        tasks,
    )


def write_mistakes(ws: Workspace, path: Path, found: Iterable[Mistake]) -> int:
    """Write wrong items to a new CSV file for correction; return how many there are.

    Raises:
        ConfigError: the file exists already, or does not end in .csv.
    """
    data = ws.settings.data
    columns = (ID, data.text_column, data.label_column, *(f"ratchet_{each}" for each in _TOLD))
    rows = [
        (each.item, each.text, each.label, *(_cell(getattr(each, name)) for name in _TOLD))
        for each in found
        if each.wrong
    ]
    if rows:
        write_table(path, columns, rows)
    else:
        require_new(path, (".csv",))
    return len(rows)


_TOLD = ("answer", "confidence", "before", "change", "exam")
"""What a row for correction says besides; columns that begin so are not read again."""


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _of_task(task: str, rows: Sequence[Answered], sitting: Sitting) -> TaskMistakes:
    beside = len(sitting.versions) > 1
    mistakes = [each for row in rows if (each := _mistake(row, sitting)) is not None]
    order = {change: place for place, change in enumerate(CHANGES)}
    mistakes.sort(key=lambda each: (order[each.change], -each.confidence, each.item))
    now, before = _pairs(rows, 0), _pairs(rows, 1) if beside else None
    totals = Counter(row.item.label for row in rows)
    matrix: dict[str, dict[str, int]] = {}
    for (label, answer), items in sorted(now.items()):
        matrix.setdefault(label, {})[answer] = items
    confused = [
        Confused(label, answer, items, before[label, answer] if before else None, totals[label])
        for (label, answer), items in now.items()
        if label != answer
    ]
    return TaskMistakes(
        task,
        dict(sorted(Counter(row.exam for row in rows).items())),
        len(rows),
        sum(row.right(0) for row in rows),
        sum(row.right(1) for row in rows) if beside else None,
        sum(row.item.label not in sitting.labels[1] for row in rows) if beside else 0,
        matrix,
        sorted(confused, key=lambda each: (-each.items, each.label, each.answer)),
        mistakes,
    )


def _pairs(rows: Sequence[Answered], place: int) -> Counter[tuple[str, str]]:
    return Counter((row.item.label, row.answers[place].label) for row in rows)


def _mistake(row: Answered, sitting: Sitting) -> Mistake | None:
    """Return the item if the version is wrong or its parent was."""
    beside = len(sitting.versions) > 1
    right, was_right = row.right(0), beside and row.right(1)
    if right and (was_right or not beside):
        return None
    item, answer = row.item, row.answers[0]
    change = "broke" if was_right else "wrong before too" if beside else "wrong"
    if right:
        change = "fixed" if item.label in sitting.labels[1] else "learned"
    return Mistake(
        item.digest,
        row.exam,
        item.task,
        item.text,
        item.label,
        answer.label,
        answer.confidence,
        row.answers[1].label if beside else None,
        change,
        beside and answer.label not in sitting.labels[1],
    )


def _decided_on(ws: Workspace, version: views.Version, sitting: Sitting) -> int:
    """Return how many of the items the version's own decision was based on."""
    evidence = ws.read_document(version.evidence)
    exams: Mapping[str, Sequence[str]] = ws.read_document(evidence["snapshot"])
    told = {item for items in exams.values() for item in items}
    return sum(row.item.digest in told for row in sitting.rows)
