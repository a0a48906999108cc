"""Letting versions answer exams: each answer is given once and kept by (bundle, item)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from components.gate.verdicts import Answers
from components.items import Item
from components.ledger import views
from components.pipeline.lookup import Library
from components.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from components.training.bundle import Bundle


class Examiner:
    """Lets versions answer exams, reading and keeping every answer by (bundle, item)."""

    def __init__(self, ws: Workspace, library: Library) -> None:
        self._ws = ws
        self._library = library
        self._held = {item.item: item for item in views.held_items(ws.ledger)}

    def items(self, exam: Sequence[str]) -> list[Item]:
        """Return the items of one exam, in the order given."""
        items = self._library.held(self._held[digest] for digest in exam)
        return [items[digest] for digest in exam]

    def sit(self, bundle: Bundle, exam: Sequence[str]) -> Answers:
        """Return the answers of one bundle to the items of one exam."""
        return self.answer(bundle, self.items(exam))

    def answer(self, bundle: Bundle, items: Sequence[Item]) -> Answers:
        """Return the answers of one bundle to these items, in their order."""
        from components.evaluation.scoring import score

        ws = self._ws
        training = ws.settings.training
        given = score(
            ws.base,
            bundle,
            items,
            ws.scores,
            training.threads,
            training.device,
            partial(ws.progress, "scoring"),
        )
        correct = [
            given[item.digest] == item.label if item.digest in given else None for item in items
        ]
        return Answers([item.digest for item in items], correct)
