"""Correct labels of an exam: items are replaced by the same contents with other labels.

Concept: an item's identity covers its label, so a corrected one is a new item, stored in a file of
its own like those of a brought exam. The old item stays in its file and in what was decided with
it; only the exam has the new one in its place.

Promise: the correction holds as a whole or not at all, also after `kill -9`. What a batch brings
again after a rollback is corrected again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.data.validation import validate
from components.errors import ConfigError, Corrupted, DataRejected
from components.exam_names import origin
from components.items import UNLABELLED, Item, make_item, read_items, write_items
from components.ledger import views
from components.ledger.events import HoldoutAbandoned, RelabelBegun, RelabelDone
from components.ledger.ledger import Lease
from components.operations.corrections import require_exam
from components.operations.holdouts import items_path, read_copy, stored
from components.pipeline.arrival import printable
from components.workspace.item_library import Library
from components.workspace.root import Workspace


@dataclass(frozen=True, slots=True)
class Relabelled:
    """The result of a correction.

    `items` were replaced; `same` rows have the label that the exam has already; `unknown`: the
    places of rows whose content is no item of the exam; `rejected`: of rows that broke the
    contract -> why.
    """

    exam: str
    items: int
    same: int
    unknown: tuple[int, ...]
    rejected: Mapping[int, str]


def relabel(ws: Workspace, lease: Lease, exam: str, path: Path, reason: str) -> Relabelled:
    """Give items of an exam the labels that a file has for their contents.

    Raises:
        ConfigError: there is no such exam, it is a pool, or there is no such file.
        DataRejected: the file can't be read, gives one content two labels, or changes nothing.
        Retryable: the file is still being written.
    """
    record = require_exam(ws, exam)
    if origin(exam) == "pool":
        raise ConfigError(
            f"{exam!r} is a pool: its inputs have no labels.",
            "Answers are given with `ratchet label`.",
        )
    contract = ws.settings.data.model_copy(update={"min_rows": 1, "min_labels": 1})
    reading = read_copy(ws, path, contract, record.task)
    checked = validate(reading, contract, frozenset())
    rejected = {row.place: "; ".join(row.reasons) for row in checked.rejected}
    if checked.refused is not None or not checked.accepted:
        raise DataRejected(
            f"{path}: {checked.refused or 'no row can be used'}",
            "Correct the rows and run this again.",
        )
    items = _items_of(ws, exam)
    wanted: dict[str, str] = {}
    for item in checked.accepted:
        if wanted.setdefault(_content(ws, item), item.label) != item.label:
            raise DataRejected(
                f"{path}: it gives {item.text[:60]!r} two labels.", "Keep the right row of them."
            )
    places = {
        ws.identity.item(row.content, UNLABELLED): row.place
        for row in reading.rows
        if row.place not in rejected
    }
    found = {content: items[content] for content in wanted.keys() & items.keys()}
    changed = {
        item.digest: _with_label(ws, item, wanted[content])
        for content, item in sorted(found.items())
        if item.label != wanted[content]
    }
    unknown = tuple(sorted(places[content] for content in wanted.keys() - items.keys()))
    if not changed:
        raise DataRejected(
            f"{path}: no row has another label for an item of {exam} (the same label: "
            f"{len(found)}, no item of it: {len(unknown)}).",
            "Send rows with the exact text of the items and their right labels.",
        )
    _keep(ws, lease, printable(path.name), record, changed, reason)
    return Relabelled(exam, len(changed), len(found) - len(changed), unknown, rejected)


def _items_of(ws: Workspace, exam: str) -> dict[str, Item]:
    """Return an exam's items by the digest of their content alone."""
    held = Library(ws).held(views.held_items(ws.ledger, exam))
    return {_content(ws, item): item for item in held.values()}


def _content(ws: Workspace, item: Item) -> str:
    return ws.identity.item(item.content, UNLABELLED)


def _with_label(ws: Workspace, item: Item, label: str) -> Item:
    return make_item(item.content, label, item.task, dict(item.slices), ws.identity)


def _keep(
    ws: Workspace,
    lease: Lease,
    name: str,
    record: views.ExamRecord,
    changed: Mapping[str, Item],
    reason: str,
) -> None:
    """Store the new items by DVC, push them, and only then let them count."""
    source = ws.identity.batch(item.digest for item in changed.values())
    intent = RelabelBegun(
        key=f"relabel:{source}",
        name=name,
        exam=record.exam,
        task=record.task,
        replaces={old: new.digest for old, new in changed.items()},
        reason=reason,
    )
    ws.ledger.append(intent, lease)
    write_items(items_path(ws, source), changed.values())
    _finish(ws, lease, intent, list(changed.values()))


def _finish(ws: Workspace, lease: Lease, intent: RelabelBegun, items: Sequence[Item]) -> None:
    done = RelabelDone(
        key=intent.key,
        name=intent.name,
        exam=intent.exam,
        task=intent.task,
        **stored(ws, items),
        replaces=intent.replaces,
        reason=intent.reason,
    )
    ws.ledger.append(done, lease)


def close_interrupted(ws: Workspace, lease: Lease) -> list[str]:
    """Finish a correction that a killed process had begun, or close it; say what was done.

    It is finished where its items were written whole and the exam still has the old ones.
    """
    done = []
    for intent in views.open_intents(ws.ledger, RelabelBegun):
        items = _written(ws, intent)
        if items:
            _finish(ws, lease, intent, items)
            done.append(f"relabelled items of {intent.exam}, started before a crash: {len(items)}")
        else:
            reason = "interrupted before its items were written"
            closed = HoldoutAbandoned(key=intent.key, exam=intent.exam, reason=reason)
            ws.ledger.append(closed, lease)
            done.append(f"cancelled relabelling {intent.exam}: run the same command again")
    return done


def _written(ws: Workspace, intent: RelabelBegun) -> list[Item]:
    """Return the corrected items of a file that is whole; none where they have no place any more.

    `write_items` writes in one step, so a file that is there has all of them.
    """
    try:
        items = read_items(items_path(ws, intent.key.removeprefix("relabel:")), ws.identity)
    except (FileNotFoundError, Corrupted):
        return []
    held = {each.item for each in views.held_items(ws.ledger, intent.exam)}
    whole = {item.digest for item in items} == {*intent.replaces.values()}
    return items if whole and held >= intent.replaces.keys() else []
