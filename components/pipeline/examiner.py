"""Letting versions answer exams: each answer is given once and kept by (bundle, item).

Promise: where kept answers do not hold, those of that version are given anew and `distrusted`
says so; `late` says whether some of them were used before that was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

from components.gate.verdicts import Answers
from components.items import Item
from components.ledger import views
from components.ledger.book import Lease
from components.ledger.events import ScoresDistrusted
from components.workspace.library import Library
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.score_store import Scored
    from components.evaluation.scoring import Distrusted
    from components.model.bundle import Bundle


class Examiner:
    """Lets versions answer exams, reading and keeping every answer by (bundle, item)."""

    def __init__(self, ws: Workspace, library: Library) -> None:
        self._ws = ws
        self._library = library
        self._given: dict[str, dict[str, Scored]] = {}
        self.distrusted: list[Distrusted] = []
        self.late = False

    def items(self, exam: Sequence[str]) -> list[Item]:
        """Return the items of one exam, in the order given."""
        items = self._library.held(views.held(self._ws.ledger, exam).values())
        return [items[digest] for digest in exam]

    def prepare(self, bundles: Iterable[Bundle], exams: Iterable[Sequence[str]]) -> None:
        """Let bundles answer the items of many exams at once, which is faster than one by one."""
        items = self.items([digest for exam in exams for digest in exam])
        for bundle in bundles:
            self._scored(bundle, items)

    def sit(self, bundle: Bundle, exam: Sequence[str]) -> Answers:
        """Return the answers of one bundle to the items of one exam."""
        return self.answer(bundle, self.items(exam))

    def answer(self, bundle: Bundle, items: Sequence[Item]) -> Answers:
        """Return the answers of one bundle to these items, in their order.

        Brier scores and confidences are told where the settings look at calibration.
        """
        given = self._scored(bundle, items)
        found = [given.get(item.digest) for item in items]
        pairs = list(zip(found, items, strict=True))
        correct = [each.label == item.label if each else None for each, item in pairs]
        digests = [item.digest for item in items]
        if self._ws.settings.gate.checks.calibration.policy == "ignore":
            return Answers(digests, correct)
        return Answers(
            digests,
            correct,
            [_finite(each.brier) if each else None for each in found],
            [_finite(each.confidence) if each else None for each in found],
        )

    def key(self, bundle: Bundle, task: str) -> str:
        """Return the digest of all that decides a bundle's answers to a task's items."""
        from components.evaluation.scoring import answers_key
        from components.model.placement import placement_of

        return answers_key(bundle, placement_of(self._ws.in_force()), task)

    def _scored(self, bundle: Bundle, items: Sequence[Item]) -> dict[str, Scored]:
        """Return item digest -> answer for at least these items."""
        from components.evaluation.scoring import score
        from components.model.placement import placement_of

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
                self._distrust,
            )
        return given

    def _distrust(self, found: Distrusted) -> None:
        """Note what did not hold; answers that came from the same rows before are void."""
        self.distrusted.append(found)
        self.late = self.late or bool(self._given[found.bundle])

    def record(self, lease: Lease) -> None:
        """Write into the ledger which kept answers did not hold."""
        for found in self.distrusted:
            self._ws.ledger.append(ScoresDistrusted(**asdict(found)), lease)


def _finite(value: float) -> float | None:
    """Return None for what is no number: such an answer's calibration is MISSING."""
    return value if isfinite(value) else None
