"""Letting versions answer exams: each answer is given once and kept by (bundle, item)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        self._given: dict[str, dict[str, str]] = {}

    def items(self, exam: Sequence[str]) -> list[Item]:
        """Return the items of one exam, in the order given."""
        items = self._library.held(views.held(self._ws.ledger, exam).values())
        return [items[digest] for digest in exam]

    def prepare(self, bundles: Iterable[Bundle], exams: Iterable[Sequence[str]]) -> None:
        """Let bundles answer the items of many exams at once, which is faster than one by one."""
        items = self.items([digest for exam in exams for digest in exam])
        for bundle in bundles:
            self._labels(bundle, items)

    def sit(self, bundle: Bundle, exam: Sequence[str]) -> Answers:
        """Return the answers of one bundle to the items of one exam."""
        return self.answer(bundle, self.items(exam))

    def answer(self, bundle: Bundle, items: Sequence[Item]) -> Answers:
        """Return the answers of one bundle to these items, in their order."""
        given = self._labels(bundle, items)
        correct = [
            given[item.digest] == item.label if item.digest in given else None for item in items
        ]
        return Answers([item.digest for item in items], correct)

    def key(self, bundle: Bundle) -> str:
        """Return the digest of all that decides a bundle's answers."""
        from components.evaluation.scoring import answers_key
        from components.training.placement import placement_of

        return answers_key(bundle, placement_of(self._ws.in_force()))

    def _labels(self, bundle: Bundle, items: Sequence[Item]) -> dict[str, str]:
        """Return item digest -> answer for at least these items."""
        from components.evaluation.scoring import score
        from components.training.placement import placement_of

        ws, given = self._ws, self._given.setdefault(bundle.digest, {})
        wanted = [item for item in items if item.digest not in given]
        if wanted:
            given |= score(
                ws.base,
                bundle,
                wanted,
                ws.scores,
                placement_of(ws.in_force()),
                ws.activations,
                partial(ws.progress, "scoring"),
            )
        return given
