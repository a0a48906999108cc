"""An exam as a value: its name, its task and the items that every version answers alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.items import Item
from components.ledger import views
from components.workspace.item_library import Library
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.model.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Exam:
    """One exam of one snapshot; `items` are in the order of their digests.

    `older`: those on which the anchor is held against the candidate; None: all.
    """

    name: str
    task: str
    items: tuple[Item, ...]
    older: frozenset[str] | None = None


def open_exams(ws: Workspace, held: Iterable[views.HeldExam]) -> tuple[Exam, ...]:
    """Read the items of these exams, in the order given.

    Raises:
        Corrupted: a file of items is missing or lacks one.
    """
    listed = list(held)
    rows = views.held(ws.ledger, [item for exam in listed for item in exam.items])
    items = Library(ws).held(rows.values())
    return tuple(
        Exam(
            exam.exam,
            exam.task,
            tuple(items[digest] for digest in exam.items),
            None if exam.older is None else frozenset(exam.older),
        )
        for exam in listed
    )


def known_items(exam: Exam, model: Bundle | None) -> tuple[Item, ...]:
    """Return the items whose label a model knows; all of them where there is no model."""
    if model is None:
        return exam.items
    known = frozenset(model.labels)
    return tuple(item for item in exam.items if item.label in known)


def snapshot_of(held: Iterable[views.HeldExam]) -> dict[str, list[str]]:
    """Return the snapshot's document: exam -> item digests, sorted."""
    return {exam.exam: exam.items for exam in held}
