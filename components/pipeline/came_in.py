"""Whether what is in quarantine, or held, came in with another batch since.

Concept: whoever corrects refused rows sends them as another file. That they came in is read off the
rows themselves: near-duplicates of them (a label is no part of that) are in a batch that arrived
no earlier and was promoted.

Promise: nothing is recorded for it; a rollback of that batch opens the entry again. Of what can't
be read as rows nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from components.data.columns import as_read
from components.data.quarantine import read_entry, read_rows
from components.data.readers import read_batch
from components.errors import Corrupted, DataRejected
from components.ledger import views
from components.workspace.batch_files import raw_path
from components.workspace.root import Workspace

EXAMINED = ("held", "rejected", "quarantined")
"""Statuses of batches that were split, so that the ledger has their rows."""

NAMED = 3
"""So many files a sentence names."""


@dataclass(frozen=True, slots=True)
class CameIn:
    """Rows that a promoted batch has by now: so many, of so many.

    `files`: those that had them; `batches`: the same by digest, in the same order.
    """

    rows: int
    of: int
    files: tuple[str, ...]
    batches: tuple[str, ...]

    @property
    def all(self) -> bool:
        """Whether nothing is left to correct."""
        return self.rows == self.of > 0

    @property
    def mostly(self) -> bool:
        """Whether it is the same data, corrected: more than half of its rows."""
        return 2 * self.rows > self.of

    def __str__(self) -> str:
        """Return it as the end of a sentence that its rows begin."""
        pairs = [*zip(self.files, self.batches, strict=True)]
        named = [f"{file} (batch {batch[:12]})" for file, batch in pairs[:NAMED]]
        more = [f"{len(pairs) - NAMED} more"] if len(pairs) > NAMED else []
        return f"came in with {' and '.join([*named, *more])}"

    @property
    def sentence(self) -> str:
        """Which of its rows came in with what, without a full stop."""
        which = "its rows" if self.all else f"{self.rows:,} of its {self.of:,} rows"
        return f"{which} {self}"


def came_in(
    ws: Workspace, arrival: views.Arrival, kind: Literal["rows", "batch"] = "batch"
) -> CameIn | None:
    """Return what came in of a batch, or of the rows of it that were refused; None: nothing."""
    try:
        near = {*(_of_rows(ws, arrival) if kind == "rows" else _of_batch(ws, arrival))}
    except Corrupted:  # a display; `audit verify` names it
        return None
    found = views.promoted_with(ws.ledger, near, arrival.position)
    if not found:
        return None
    with_ = sorted({(each.source, each.batch) for each in found.values()})
    files, batches = zip(*with_, strict=True)
    return CameIn(len(found), len(near), files, batches)


def corrected_since(ws: Workspace, arrival: views.Arrival | None) -> str:
    """Say with what an examined batch that did not get in came in since; empty where it did not."""
    if arrival is None or arrival.status not in EXAMINED:
        return ""
    found = came_in(ws, arrival)
    return found.sentence if found is not None and found.mostly else ""


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
