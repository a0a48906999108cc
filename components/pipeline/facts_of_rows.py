"""Facts about rows that are recorded for people: how they were answered, what the base reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from components.items import Item
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.score_store import Scored

Answered = Sequence[tuple[Item, "Scored"]]
"""Items, each with what a version answers."""

UNKNOWN = 0.2
"""From this share of unknown pieces on a text is not read."""


def answers_by_label(answered: Answered) -> dict[str, dict[str, int]]:
    """Return label -> answer -> items."""
    found: dict[str, dict[str, int]] = {}
    for (label, answer), count in sorted(Counter((i.label, s.label) for i, s in answered).items()):
        found.setdefault(label, {})[answer] = count
    return found


def by_label(held: Answered, batch: Answered, rows: Iterable[Item]) -> dict[str, dict[str, Any]]:
    """Return task -> "held" or "batch" -> label -> answer -> [rows, those it is sure of].

    Task -> "rows" is how many of `rows`, the batch's own, are of the task: not all were asked.

    Sure is an answer of a confidence that half of the right answers to held rows of the task
    reach: what the champion thinks of itself is no measure, what it is when it is right is one.
    """
    found: dict[str, dict[str, Any]] = {}
    counts = Counter(item.task for item in rows)
    for task in sorted({item.task for item, _ in batch}):
        past = [pair for pair in held if pair[0].task == task]
        right = [scored.confidence for item, scored in past if scored.label == item.label]
        if right:
            now = [pair for pair in batch if pair[0].task == task]
            level = median(right)
            sides = {"held": _sides(past, level), "batch": _sides(now, level)}
            found[task] = {**sides, "rows": counts[task]}
    return found


def _sides(answered: Answered, level: float) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for item, scored in sorted(answered, key=lambda pair: (pair[0].label, pair[1].label)):
        told = found.setdefault(item.label, {}).setdefault(scored.label, [0, 0])
        told[0], told[1] = told[0] + 1, told[1] + (scored.confidence >= level)
    return found


def read_by_base(
    ws: Workspace, batch: Iterable[Item], earlier: Iterable[Item]
) -> dict[str, Any] | None:
    """Return how much of the texts the base cuts or does not know; None for other contents."""
    if ws.identity.modality != "text":
        return None
    most = ws.settings.model.max_tokens
    sides = {"batch": batch, "earlier": earlier}
    return {"max_tokens": most} | {side: _read(ws, most, items) for side, items in sides.items()}


def is_read(ws: Workspace, items: Sequence[Item]) -> list[bool]:
    """Tell of each text whether the base reads all of it: no cut end, hardly an unknown piece."""
    most, unknown = ws.settings.model.max_tokens, ws.base.tokenizer.unk_token_id
    rows = _tokens(ws, most, items)
    return [len(row) <= most and row.count(unknown) < UNKNOWN * len(row) for row in rows]


def _read(ws: Workspace, most: int, items: Iterable[Item]) -> dict[str, int]:
    rows = _tokens(ws, most, items)
    unknown = ws.base.tokenizer.unk_token_id
    return {
        "rows": len(rows),
        "cut": sum(len(row) > most for row in rows),
        "tokens": sum(map(len, rows)),
        "unknown": sum(row.count(unknown) for row in rows) if unknown is not None else 0,
    }


def _tokens(ws: Workspace, most: int, items: Iterable[Item]) -> list[list[int]]:
    """Return the pieces of each text: one more than `most` where it is longer."""
    from components.model.encoding import tokenise

    return [[*row] for row in tokenise(ws.base, [item.content for item in items], most + 1)]
