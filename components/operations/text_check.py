"""Texts of a file that are unlike those that the champion learned from: language and markup.

Concept: both show in the texts alone, and make a champion look bad, or right labels look wrong, for
another reason than the labels. Languages are told as the drift survey tells them.

Promise: what the champion learned already is never told as new; texts without a clear language, and
too few of them, say nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.evaluation.cause import percent
from components.items import Item
from components.pipeline.champion_memory import champion_memory
from components.workspace.item_library import Library
from components.workspace.root import Workspace

LOOKED_AT = 500
"""Texts a side: languages take about a second."""

NEW, FEW = 0.1, 0.02
"""Told is what this share of the file's texts has and at most that share of the earlier ones."""

MOSTLY = 0.5
"""Share of texts in new languages from which the champion's answers say nothing of labels."""

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|&[a-zA-Z]+;")


@dataclass(frozen=True, slots=True)
class Unlike:
    """What a file's texts have that the earlier ones hardly have.

    languages: new code -> texts, of `clear` ones whose language is clear. usual: the code that most
    earlier texts have. markup: share of the texts with tags or entities, 0 where it is not new.
    """

    languages: dict[str, int]
    clear: int
    usual: str
    markup: float

    @property
    def unknown(self) -> bool:
        """Whether most texts are in a language that the champion never learned."""
        return sum(self.languages.values()) > MOSTLY * self.clear

    def notes(self) -> list[str]:
        """Return what is worth knowing, a sentence each."""
        if not self.markup:
            return []
        return [
            f"{percent(self.markup)} of the texts have markup (such as <p> or &nbsp;), which what "
            "the champion learned has not: it costs tokens and can tell labels apart by accident. "
            "Send the plain text, unless texts come with markup from now on."
        ]

    def doubts(self, task: str) -> list[str]:
        """Return why people should look at the rows first, a sentence each."""
        if not self.languages:
            return []
        found = ", ".join(f"{texts:,} {name}" for name, texts in self.languages.items())
        return [
            f"The language is new: of {self.clear:,} texts whose language is clear, these are in "
            f"another one than the champion learned ({self.usual}): {found}. So its answers say "
            "little of their labels, and an exam without such texts little of what they change. "
            "Leave them out, or, if they should be learned, give the exam some of them first: "
            f"`ratchet holdout add FILE --task {task} --fill`."
        ]


def unlike_earlier(ws: Workspace, items: Sequence[Item]) -> Unlike:
    """Compare texts with what the champion remembers of their tasks; of none of them: with all.

    `items`: in an order that says nothing about them.
    """
    from components.evaluation.drift.samples import MIN_ROWS
    from components.evaluation.drift.texts import language_of

    asked = [item.text for item in items if item.modality == "text"][:LOOKED_AT]
    past = [item.text for item in _learned(ws, {item.task for item in items})]
    markup = _markup(asked)
    if markup < NEW or _markup(past) > FEW:
        markup = 0.0
    now, before = (
        Counter(name for text in texts if (name := language_of(text))) for texts in (asked, past)
    )
    clear, told = now.total(), before.total()
    if min(clear, told) < MIN_ROWS:
        return Unlike({}, clear, "", markup)
    new = {name: texts for name, texts in now.most_common() if before[name] <= FEW * told}
    if sum(new.values()) < NEW * clear:
        new = {}
    return Unlike(new, clear, before.most_common(1)[0][0], markup)


def _learned(ws: Workspace, tasks: set[str]) -> Sequence[Any]:
    """Return rows that the champion was trained on, those with the smallest digests."""
    memory = champion_memory(ws) if ws.identity.modality == "text" else ()
    refs = [ref for ref in memory if ref.task in tasks] or memory
    return Library(ws).remembered(sorted(refs, key=lambda ref: (ref.item, ref.batch))[:LOOKED_AT])


def _markup(texts: Sequence[str]) -> float:
    return sum(bool(_TAG.search(text)) for text in texts) / max(1, len(texts))
