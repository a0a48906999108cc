"""What a page shows of single items: texts that broke and texts that were fixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import RatchetError
from components.evaluation.score_store import Scored
from components.ledger import views
from components.pipeline.sittings import Sitting, paper, sittings
from components.workspace.item_library import Library
from components.workspace.root import Workspace

MOST = 6
"""So many examples a page, of either kind."""

LONGEST = 400
"""Characters of a text that a page shows."""


def examples(ws: Workspace, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return texts that one of champion and candidate got right and the other wrong, broken first.

    Texts come from the root, so what was erased there is not shown; what each answered comes from
    the stored answers, which may be gone.
    """
    found = [*_changed(ws, document)]
    broke = [each for each in found if not each[2]][:MOST]
    fixed = [each for each in found if each[2]][:MOST]
    wanted = [item for _, item, _ in [*broke, *fixed]]
    try:
        items = Library(ws).held(views.held(ws.ledger, wanted).values())
        before, now = (_answers(ws, document, who, wanted) for who in ("champion", "candidate"))
    except RatchetError:  # a page can do without: `audit verify` names what is damaged
        return []
    return [
        {
            "exam": exam,
            "text": _short(items[item].content),
            "label": items[item].label,
            "before": before[item].label if item in before else "",
            "now": now[item].label if item in now else "",
            "fixed": fixed_now,
        }
        for exam, item, fixed_now in [*broke, *fixed]
        if item in items
    ]


def _changed(ws: Workspace, document: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield (exam, item, whether it was fixed) of the answers that changed."""
    sat = sittings(ws, paper(document))
    for exam, before in sorted(sat["champion"].items()):
        now = sat["candidate"].get(exam, Sitting())
        for item in sorted(before.asked & now.asked):
            if (item in before.right) != (item in now.right):
                yield exam, item, item in now.right


def _answers(
    ws: Workspace, document: Mapping[str, Any], who: str, items: list[str]
) -> dict[str, Scored]:
    """Return what was stored of a model's answers; its key is in the evidence."""
    keys = {exam["parts"][who] for exam in document["exams"] if who in exam["parts"]}
    found: dict[str, Scored] = {}
    for key in sorted(keys):
        found |= ws.scores.look_up(key, items).answers
    return found


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
