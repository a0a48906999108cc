"""One item: what it is, where it came from, where it was used, and what versions answered.

Concept: an item is found by the first digits of its digest, in what the ledger records of splits
and exams, in the rows in quarantine, and in the stored files of batches that were never split.

Promise: an item whose bytes are gone is a tombstone: what is recorded of it is still told, and that
its text is gone (law 11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from components.data.columns import as_read
from components.data.quarantine import read_entry, read_rows
from components.data.readers import Reading, read_batch
from components.errors import ConfigError, Corrupted, DataRejected
from components.exam_names import origin
from components.items import Item
from components.ledger import views
from components.ledger.events import HoldoutDone
from components.workspace.batch_files import raw_path
from components.workspace.item_library import Library
from components.workspace.root import Workspace

NAMED = 10
GONE = "Its text is not here any more: its bytes were removed, or have to be restored."


@dataclass(frozen=True, slots=True)
class InBatch:
    """A batch that has the item. `file`, `line`: where in which of its files; None: not known.

    `side`: train, holdout, or None where the batch was not split. `versions`: number -> status of
    those that learned the batch.
    """

    batch: str
    status: str
    task: str
    side: str | None
    file: str
    line: int | None
    versions: dict[int, str]


@dataclass(frozen=True, slots=True)
class InExam:
    """An exam or pool that has the item, and the file or version that brought it."""

    exam: str
    task: str
    brought_by: str
    confirmed: bool
    retired: bool


@dataclass(frozen=True, slots=True)
class InQuarantine:
    """A refused row: `why`, one reason each."""

    batch: str
    file: str
    line: int
    why: tuple[str, ...]
    status: str


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What a version answered, as far as that is kept."""

    version: int
    status: str
    label: str
    confidence: float
    right: bool | None


@dataclass(frozen=True, slots=True)
class Trail:
    """All that is known of an item. `text` is None where its bytes are gone (`gone` says so).

    `given`: what people answered about an input of a pool. `became`: the item that took its place
    in an exam when its label was corrected; `was`: those whose place it took.
    """

    item: str
    text: Any
    label: Any
    gone: str | None
    batches: tuple[InBatch, ...]
    exams: tuple[InExam, ...]
    given: tuple[str, ...]
    quarantine: tuple[InQuarantine, ...]
    became: str | None
    was: tuple[str, ...]
    answers: tuple[GivenAnswer, ...]


def find_trail(ws: Workspace, prefix: str) -> Trail:
    """Return all that is known of the one item whose digest begins with `prefix`.

    Raises:
        ConfigError: there is none, or there are several.
    """
    refused = [*_refused(ws, prefix)]
    unsplit = [*_unsplit(ws, prefix)]
    found = {*views.items_like(ws.ledger, prefix)}
    found |= {digest for digest, _, _ in refused} | {digest for digest, *_ in unsplit}
    if len(found) != 1:
        raise _not_one(prefix, sorted(found))
    [digest] = found
    item = _content(ws, digest)
    values = [(item.text, item.label)] if item else []
    values += [(text, label) for _, _, (text, label) in refused]
    values += [(text, label) for *_, (text, label) in unsplit]
    text, label = values[0] if values else (None, None)
    return Trail(
        digest,
        text,
        label or None,
        None if values else GONE,
        (*_in_batches(ws, digest), *(each for _, each, _ in unsplit)),
        (exams := tuple(_in_exams(ws, digest))),
        tuple(_given(ws, digest, exams)),
        tuple(each for _, each, _ in refused),
        views.item_became(ws.ledger, digest),
        tuple(views.item_was(ws.ledger, digest)),
        tuple(_answers(ws, digest, item)),
    )


def _not_one(prefix: str, found: list[str]) -> ConfigError:
    if not found:
        return ConfigError(
            f"No item starts with {prefix!r}.",
            "`ratchet errors champion` and `ratchet quarantine show BATCH` name items.",
        )
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    shown = ", ".join(each[:16] for each in found[:NAMED])
    return ConfigError(f"{len(found)} items start with {prefix!r}.", f"Choose: {shown}{more}.")


def _content(ws: Workspace, digest: str) -> Item | None:
    """Return the item from any of its places whose bytes are still there."""
    library = Library(ws)
    sources = [each.batch for each in views.item_splits(ws.ledger, digest)]
    sources += [each.source for each in views.item_exams(ws.ledger, digest)]
    for source in sources:
        try:
            [item] = library.batch(source, [digest])
        except Corrupted:
            continue
        return item
    return None


def _in_batches(ws: Workspace, digest: str) -> Iterator[InBatch]:
    for place in views.item_splits(ws.ledger, digest):
        arrival = views.arrival(ws.ledger, place.batch)
        assert arrival is not None  # only a batch that arrived is split
        file, line = _line(ws, arrival, digest)
        versions = views.versions(ws.ledger, batch=place.batch)
        told = {each.version: each.status for each in versions}
        yield InBatch(place.batch, arrival.status, place.task, place.side, file, line, told)


def _line(ws: Workspace, arrival: views.Arrival, digest: str) -> tuple[str, int | None]:
    """Return the file that an item stands in, of a batch or of those it was pooled from."""
    for each in views.members(ws.ledger, arrival.batch) or [arrival]:
        reading = _reading(ws, each)
        for row in reading.rows if reading else ():
            if row.digest == digest:
                return each.source, row.place
    return arrival.source, None


def _reading(ws: Workspace, arrival: views.Arrival) -> Reading | None:
    """Read a batch's stored file; None where it can't be read as rows, or is not there."""
    stored = raw_path(ws, arrival.batch, arrival.suffix)
    try:
        return read_batch(stored, ws.settings.data, arrival.task, arrival.source, ws.identity)
    except DataRejected:
        return None


def _in_exams(ws: Workspace, digest: str) -> Iterator[InExam]:
    files = {each.payload.source: each.payload.name for each in views.told(ws.ledger, HoldoutDone)}
    for place in views.item_exams(ws.ledger, digest):
        by = f"the batch of version {place.version}" if place.version else ""
        by = files.get(place.source, by) or "a file"
        yield InExam(place.exam, place.task, by, place.confirmed, place.retired)


def _given(ws: Workspace, digest: str, exams: Iterable[InExam]) -> Iterator[str]:
    """Yield the labels that people gave an input of a pool; `neither` and `unclear` as they are."""
    for task in sorted({each.task for each in exams if origin(each.exam) == "pool"}):
        for answer in views.answers(ws.ledger, task).get(digest, ()):
            yield answer.label or answer.answer


Found = tuple[Any, Any]
"""The text and the label of a row."""


def _refused(ws: Workspace, prefix: str) -> Iterator[tuple[str, InQuarantine, Found]]:
    """Yield the refused rows whose digest begins so."""
    data = ws.settings.data
    for kept in views.quarantined(ws.ledger):
        if kept.kind != "rows" or not (ws.quarantine / kept.batch / "about.json").exists():
            continue
        entry = read_entry(ws.quarantine, kept.batch)
        for row in read_rows(entry):
            if row.digest.startswith(prefix):
                line = isinstance(row.raw, str)
                values = {} if line else as_read(row.raw, data)
                text = row.raw if line else values.get(data.text_column)
                label = values.get(data.label_column)
                place = InQuarantine(kept.batch, entry.source, row.place, row.reasons, kept.status)
                yield row.digest, place, (text, label)


def _unsplit(ws: Workspace, prefix: str) -> Iterator[tuple[str, InBatch, Found]]:
    """Yield rows that begin so, of batches that wait or were refused before they were split."""
    for arrival in views.arrivals(ws.ledger):
        if arrival.status == "pooled" or views.batch_tasks(ws.ledger, arrival.batch):
            continue
        reading = _reading(ws, arrival)
        for row in reading.rows if reading else ():
            if row.digest.startswith(prefix):
                place = InBatch(
                    arrival.batch, arrival.status, row.task, None, arrival.source, row.place, {}
                )
                yield row.digest, place, (row.content, row.label)


def _answers(ws: Workspace, digest: str, item: Item | None) -> Iterator[GivenAnswer]:
    """Yield what is kept of the versions' answers; of a lost bundle nothing can be told."""
    from components.evaluation.scoring import answers_key
    from components.model.bundle import open_bundle
    from components.model.placement import placement_of

    if item is None:
        return
    placement = placement_of(ws.in_force())
    for version in views.versions(ws.ledger):
        try:
            bundle = open_bundle(ws.bundles, version.bundle)
        except Corrupted:
            continue
        key = answers_key(bundle, placement, item.task)
        for answer in ws.scores.look_up(key, [digest]).answers.values():
            right = answer.label == item.label if item.label else None
            yield GivenAnswer(
                version.version, version.status, answer.label, answer.confidence, right
            )
