"""What lies in quarantine or is held: why, in a few words, and what came in since.

Concept: whoever corrects refused rows sends them as another file. That they came in is read off the
rows themselves: near-duplicates of them (a label is no part of that) are in a batch that arrived
no earlier and was promoted.

Promise: nothing is recorded for it; a rollback of that batch opens the entry again. Of what can't
be read as rows nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from components.data.columns import as_read
from components.data.quarantine import read_entry, read_rows
from components.data.readers import read_batch
from components.errors import Corrupted, DataRejected
from components.ledger import views
from components.pipeline.cause import causes_for, causes_of
from components.workspace.batch_files import raw_path
from components.workspace.root import Workspace

SIDES = ("train", "holdout")
"""Where the rows of a batch are after its split."""


@dataclass(frozen=True, slots=True)
class CameIn:
    """Rows that a promoted batch has by now: so many, of so many, and the files that had them."""

    rows: int
    of: int
    files: tuple[str, ...]

    @property
    def all(self) -> bool:
        """Whether nothing is left to correct."""
        return self.rows == self.of > 0


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the quarantine (`kind`: rows or batch), or a batch that is held."""

    batch: str
    file: str
    kind: str
    rows: int
    status: str
    reason: str
    causes: tuple[str, ...]
    came_in: CameIn | None

    @property
    def corrected(self) -> bool:
        """Whether all of it came in with another batch."""
        return self.came_in is not None and self.came_in.all


def overview(ws: Workspace) -> list[Listed]:
    """Return what is in quarantine, by batch, then what is held, oldest first."""
    found = [entry(ws, kept) for kept in views.quarantined(ws.ledger)]
    return [*found, *(_held(ws, each) for each in views.held_batches(ws.ledger))]


def entry(ws: Workspace, kept: Any) -> Listed:
    """Return one entry; `kept`: its row of `views.quarantined`."""
    arrival, causes, came_in = views.arrival(ws.ledger, kept.batch), tuple[str, ...](), None
    if arrival is not None:
        if kept.kind == "batch" and arrival.version:
            causes = causes_of(ws, views.version(ws.ledger, arrival.version))
        if kept.status == "kept":
            came_in = _came_in(ws, arrival, kept.kind)
    file = arrival.source if arrival else ""
    return Listed(kept.batch, file, kept.kind, kept.rows, kept.status, kept.reason, causes, came_in)


def _held(ws: Workspace, held: views.Arrival) -> Listed:
    rows = sum(len(views.split_side(ws.ledger, held.batch, side)) for side in SIDES)
    causes = causes_for(ws, held)
    return Listed(held.batch, held.source, "held", rows, "held", held.reason, causes, None)


def _came_in(ws: Workspace, arrival: views.Arrival, kind: str) -> CameIn | None:
    try:
        near = {*(_of_rows(ws, arrival) if kind == "rows" else _of_batch(ws, arrival))}
    except Corrupted:  # a display; `audit verify` names it
        return None
    found = views.promoted_with(ws.ledger, near, arrival.position)
    if not found:
        return None
    return CameIn(len(found), len(near), tuple(sorted({*found.values()})))


def _of_rows(ws: Workspace, arrival: views.Arrival) -> Iterable[str]:
    """Yield what near-duplicates of the refused rows have in common; a line that is no row: itself.

    So an entry with such a line is never all in.
    """
    if not (ws.quarantine / arrival.batch / "about.json").exists():
        return
    data = ws.settings.data
    for row in read_rows(read_entry(ws.quarantine, arrival.batch)):
        values = row.raw if isinstance(row.raw, str) else as_read(row.raw, data)
        text = values if isinstance(values, str) else values.get(data.text_column)
        yield ws.identity.near(text) if isinstance(text, str) else row.digest


def _of_batch(ws: Workspace, arrival: views.Arrival) -> Iterable[str]:
    """Return the same of a whole batch: as it was split, or read again where it never was."""
    split = views.near_keys(ws.ledger, arrival.batch)
    if split:
        return split
    stored = raw_path(ws, arrival.batch, arrival.suffix)
    try:
        reading = read_batch(stored, ws.settings.data, arrival.task, arrival.source, ws.identity)
    except DataRejected:
        return ()
    texts = (row.content for row in reading.rows)
    return [ws.identity.near(text) for text in texts if isinstance(text, str)]
