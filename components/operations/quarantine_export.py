"""Rows in quarantine as a file that people correct and send again.

Concept: what was refused is written with the reasons beside each row; the corrected file is a batch
like any other (`ratchet run FILE`). Of a batch that was refused whole, or waits, it is every row.

What the champion answers can stand beside the rows: where labels are wrong, it disagrees.

Promise: a cell that nobody edits comes back as it was (`exported_table`); in .jsonl every value
does. The entry stays in quarantine: nothing is released by this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.data.columns import as_read
from components.data.exported_table import ID, TOLD, require_new, write_table
from components.data.quarantine import Entry, read_rows, write_batch_file
from components.data.readers import read_batch
from components.data.source_file import parsed
from components.data.validation import Rejected
from components.digest import canonical_json
from components.errors import ConfigError, DataRejected
from components.ledger import views
from components.operations.quarantine_release import all_rows, find_entry
from components.operations.same_items import named
from components.workspace.batch_files import raw_path
from components.workspace.root import Workspace

WHY, CHAMPION, SURE = f"{TOLD}why", f"{TOLD}champion", f"{TOLD}sure"

Given = tuple[str, str]
"""A label and how sure it is, as cells."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: rows of a batch that came as the file `source`; `kind`: rows or batch.

    `broken`: those that the data contract refused. `champion`: the version whose answers stand
    beside them; None: none were asked for. `disagrees`: how many of those are not the row's label.
    """

    batch: str
    source: str
    kind: str
    rows: int
    broken: int
    champion: int | None
    disagrees: int


def export(ws: Workspace, prefix: str, path: Path, answers: bool = False) -> Exported:
    """Write the rows of the quarantined or held batch that begins with `prefix` to a new file.

    `answers`: write beside each row what the champion answers, and how sure it is; in .csv alone.

    Raises:
        ConfigError: there is none, there are several, the file exists or ends otherwise, or there
            is no champion to answer.
        DataRejected: the stored file can't be read as rows.
    """
    require_new(path, (".csv",) if answers else (".csv", ".jsonl"))
    champion = named(ws, "champion") if answers else None
    arrival, kind, rows = _find(ws, prefix)
    given = _answers(ws, champion, rows) if champion else None
    if path.suffix.lower() == ".jsonl":
        write_batch_file(rows, path, ws.settings.data.task_column)
    else:
        _write_csv(ws, path, arrival, rows, given)
    return Exported(
        arrival.batch,
        arrival.source,
        kind,
        len(rows),
        sum(bool(row.reasons) for row in rows),
        champion.version if champion else None,
        _disagreements(ws, rows, given) if given else 0,
    )


def _find(ws: Workspace, prefix: str) -> tuple[views.Arrival, str, list[Rejected]]:
    found = [each for each in views.held_batches(ws.ledger) if each.batch.startswith(prefix)]
    if len(found) == 1:
        stored = raw_path(ws, found[0].batch, found[0].suffix)
        return found[0], "held", _every_row(ws, found[0], stored, ())
    entry = find_entry(ws, prefix)
    arrival = views.arrival(ws.ledger, entry.batch)
    assert arrival is not None  # an entry is of a batch that arrived
    refused = list(read_rows(entry))
    if entry.kind == "rows":
        return arrival, "rows", refused
    return arrival, "batch", _every_row(ws, arrival, _stored(ws, entry), refused)


def _stored(ws: Workspace, entry: Entry) -> Path:
    assert entry.stored_path is not None  # of a whole batch
    return ws.root / entry.stored_path


def _every_row(
    ws: Workspace, arrival: views.Arrival, stored: Path, refused: Sequence[Rejected]
) -> list[Rejected]:
    """Return every row of a stored file, with the reasons of those that were refused."""
    try:
        reading = read_batch(stored, ws.settings.data, arrival.task, arrival.source, ws.identity)
    except DataRejected as error:
        raise DataRejected(
            f"{arrival.source} can't be read as rows: {error.message}",
            f"Correct a copy of {stored} itself, then `ratchet run COPY`.",
        ) from error
    why = {row.place: row.reasons for row in refused}
    rows = (
        Rejected(row.place, row.digest, why.get(row.place, row.reasons), row.raw, row.task)
        for row in all_rows(reading)
    )
    return sorted(rows, key=lambda row: row.place)


def _write_csv(
    ws: Workspace,
    path: Path,
    arrival: views.Arrival,
    rows: Sequence[Rejected],
    given: Sequence[Given] | None,
) -> None:
    data = ws.settings.data
    wanted = [data.text_column, data.label_column, data.task_column]
    values = [_values(ws, row) for row in rows]
    more = dict.fromkeys(name for each in values for name in each if name not in wanted)
    clash = [name for name in more if name.startswith(TOLD)]
    if clash:
        raise ConfigError(
            f"{arrival.source} has a column {clash[0]!r}, a name that Ratchet uses in tables.",
            "Export it as .jsonl.",
        )
    names = [*wanted, *more]
    told = [(f"line {row.place}", "; ".join(row.reasons)) for row in rows]
    own = [[_cell(each.get(name)) for name in names] for each in values]
    beside: Sequence[tuple[str, ...]] = given or [()] * len(rows)
    table = [(*a, *b, *c) for a, b, c in zip(told, own, beside, strict=True)]
    write_table(path, (ID, WHY, *names, *((CHAMPION, SURE) if given else ())), table)


def _answers(ws: Workspace, champion: views.Version, rows: Sequence[Rejected]) -> list[Given]:
    """Return what the champion answers to each row that has a text, and how sure it is."""
    from components.model.answering import predict
    from components.model.bundle import open_bundle
    from components.model.placement import placement_of

    values = [_values(ws, row).get(ws.settings.data.text_column) for row in rows]
    texts = [each for each in values if isinstance(each, str)]
    bundle, placement = open_bundle(ws.bundles, champion.bundle), placement_of(ws.in_force())
    found = predict(ws.base, bundle, texts, placement, ws.activations)
    pairs = zip(found.labels, found.probabilities.max(axis=1), strict=True)
    given = iter([(label, f"{sure:.3f}") for label, sure in pairs])
    return [next(given) if isinstance(each, str) else ("", "") for each in values]


def _disagreements(ws: Workspace, rows: Sequence[Rejected], given: Sequence[Given]) -> int:
    labels = [_values(ws, row).get(ws.settings.data.label_column) for row in rows]
    return sum(answer not in ("", own) for own, (answer, _) in zip(labels, given, strict=True))


def _values(ws: Workspace, row: Rejected) -> dict[str, Any]:
    """Return a row's columns; of a line that is no row, its text stands where the text does."""
    data = ws.settings.data
    if isinstance(row.raw, str):
        return {data.text_column: row.raw}
    own = dict(as_read(parsed(row.raw), data))
    named = own.get(data.task_column)
    if named is None or (isinstance(named, str) and not named.strip()):
        own[data.task_column] = row.task or None
    return own


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_json(value)
