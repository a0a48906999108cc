"""What is shown of single items: texts that broke or were fixed, rows that show a cause.

Promise: texts come from the root, so what was erased there is not shown; what each version answered
comes from the stored answers, which may be gone. Nothing here runs a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

from components.errors import RatchetError
from components.evaluation.causes import Cause
from components.evaluation.score_store import Scored
from components.items import Item
from components.ledger import views
from components.pipeline.sittings import Sitting, paper, sittings
from components.shown_text import shortened
from components.workspace.item_library import Library
from components.workspace.root import Workspace

MOST = 6
"""So many examples a page, of either kind."""

LONGEST = 400
"""Characters of a text that a page shows."""

SHOWN = 3
"""So many rows show a cause."""

LONGEST_ROW = 160
"""Characters of their texts: they stand at the top."""


def examples(ws: Workspace, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return texts that one of champion and candidate got right, the other wrong; broken first."""
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
            "text": shortened(items[item].content, LONGEST),
            "label": items[item].label,
            "before": before[item].label if item in before else "",
            "now": now[item].label if item in now else "",
            "fixed": fixed_now,
        }
        for exam, item, fixed_now in [*broke, *fixed]
        if item in items
    ]


def rows_showing(
    ws: Workspace, document: Mapping[str, Any], batch: str, likely: Sequence[Cause]
) -> dict[str, list[dict[str, Any]]]:
    """Return cause -> the rows of the batch that show it best, as far as they are still here.

    Of labels that look wrong these are the rows that the champion is surest of, of each label in
    turn; of anything else the examples of what was found.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    if not likely:
        return found
    try:
        given = _answers(ws, document, "champion", views.split_side(ws.ledger, batch))
    except RatchetError:  # as above
        return found
    for cause in likely:
        try:
            shown = _doubted(ws, cause, batch, given) or _examples(ws, document, cause, batch)
        except RatchetError:  # as above
            continue
        if shown:
            found[str(cause)] = [_row(item, given.get(item.digest)) for item in shown]
    return found


def _doubted(ws: Workspace, cause: Cause, batch: str, given: Mapping[str, Scored]) -> list[Item]:
    """Return rows with a label that the cause doubts, and answered as what it stands for."""
    answers = {*cause.turned.values()}
    asked = [item for item, scored in given.items() if scored.label in answers]
    sides: dict[str, list[Item]] = {label: [] for label in cause.turned}
    for item in Library(ws).batch(batch, sorted(asked)):
        wrong = cause.turned.get(item.label) == given[item.digest].label
        if wrong and item.task == cause.task:
            sides[item.label].append(item)
    for rows in sides.values():
        rows.sort(key=lambda item: (-given[item.digest].confidence, item.digest))
    in_turn = chain.from_iterable(zip_longest(*sides.values()))
    return [item for item in in_turn if item is not None][:SHOWN]


def _examples(ws: Workspace, document: Mapping[str, Any], cause: Cause, batch: str) -> list[Item]:
    """Return the examples of the first of the cause's findings that has any."""
    drift = {each["name"]: each for each in document.get("drift") or ()}
    named = (drift.get(name, {}).get("examples") or () for name in cause.findings)
    return Library(ws).batch(batch, sorted(next(filter(None, named), ()))[:SHOWN])


def _row(item: Item, given: Scored | None) -> dict[str, Any]:
    return {
        "item": item.digest,
        "text": shortened(item.content, LONGEST_ROW),
        "label": item.label,
        "champion": given.label if given else None,
        "sure": given.confidence if given else None,
    }


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
