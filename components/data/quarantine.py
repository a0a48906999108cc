"""Quarantine: what was refused, why, and how it comes back.

Concept: one folder a batch under `data/quarantine/<batch digest>/`: `rows.jsonl` holds its
rejected rows with place, reasons and values; `about.json` says what the entry is about, and
a folder without it is no entry. Both are prepared beside their place first; the ledger's event
carries their marks, and what is prepared is published after it. So an event that fails leaves
the entry as it was, and a crash in between is made good from the marks.

Promise (law 8, nothing is lost): every value comes back as it was read, lone surrogates and
control characters included. Releasing is the ledger's event; nothing is deleted here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from components.data.contract import stem
from components.data.source_file import parsed
from components.data.validation import Rejected
from components.digest import canonical_json
from components.errors import ConfigError, Corrupted
from components.files import PART_SUFFIX, mark_of, write_json, write_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Kind = Literal["rows", "batch"]
ID = re.compile(r"[0-9a-f]{64}")
ROWS, ABOUT = FILES = ("rows.jsonl", "about.json")
"""An entry's files, in the order in which they are published."""

REBUILD = "Run `ratchet reconcile`: it rewrites the file from the ledger."
BACKUP = "Restore it from a backup, or send these rows again in a separate file."


@dataclass(frozen=True, slots=True)
class Entry:
    """One quarantined batch, whole (`kind` is `batch`) or some of its rows.

    `source` is the file that it came from; `stored_path` is where its bytes are kept,
    relative to the root (None where only rows were refused).
    """

    id: str
    batch: str
    source: str
    reason: str
    kind: Kind
    stored_path: str | None
    row_count: int
    folder: Path


def prepare_rows(folder: Path, batch: str, source: str, rejected: Sequence[Rejected]) -> None:
    """Prepare an entry of the rejected rows of a batch; nothing where there are none.

    Law: idempotent; what is prepared last says what the entry is. So where a whole batch is
    refused, `prepare_batch` comes after this.
    """
    if not rejected:
        return
    lines = (_json_line(_row_json(row)).encode("ascii") for row in rejected)
    write_lines(_prepared(folder / batch / ROWS), lines)
    _prepare_about(folder, batch, source, _summary(rejected), "rows", None)


def prepare_batch(folder: Path, batch: str, source: str, reason: str, stored_path: str) -> None:
    """Prepare an entry of a whole batch: its bytes lie at `stored_path`; rows kept before stay."""
    _prepare_about(folder, batch, source, reason, "batch", stored_path)


def prepare_again(folder: Path, batch: str, source: str) -> None:
    """Prepare an entry of rejected rows from the `rows.jsonl` that lies there.

    Raises:
        Corrupted: `rows.jsonl` cannot be read.
    """
    prepare_rows(folder, batch, source, list(_rows_of(folder / batch / ROWS)))


def marks(folder: Path, batch: str) -> dict[str, Any]:
    """Return file name -> mark of an entry as prepared, for the event that makes it so."""
    files = {name: _newest(folder / batch / name) for name in FILES}
    return {name: mark_of(path).to_json() for name, path in files.items() if path.exists()}


def publish(folder: Path, batch: str) -> None:
    """Put what was prepared in its place; its event is in the ledger. Idempotent."""
    for path in (folder / batch / name for name in FILES):
        with suppress(FileNotFoundError):
            _prepared(path).replace(path)


def unpublished(folder: Path) -> list[str]:
    """Return the batches of which something is prepared, and not in its place."""
    found = (place for name in FILES for place in folder.glob(f"*/{_prepared(Path(name))}"))
    return sorted({place.parent.name for place in found})


def drop_prepared(folder: Path, batch: str) -> None:
    """Remove what was prepared: its event never came."""
    for name in FILES:
        _prepared(folder / batch / name).unlink(missing_ok=True)


def entries(folder: Path) -> list[Entry]:
    """Return every finished entry, by id.

    Raises:
        Corrupted: an `about.json` cannot be read.
    """
    found = sorted(folder.glob("*/about.json")) if folder.is_dir() else []
    return [
        read_entry(folder, about.parent.name) for about in found if ID.fullmatch(about.parent.name)
    ]


def read_entry(folder: Path, id: str) -> Entry:
    """Return one entry.

    Raises:
        ConfigError: there is none with this id.
        Corrupted: its `about.json` cannot be read.
    """
    about = folder / id / ABOUT
    if not ID.fullmatch(id) or not about.is_file():
        raise ConfigError(
            f"There is no quarantine entry {id!r} in {folder}.",
            "List the entries and copy the id (64 hex digits) from there.",
        )
    try:
        said = json.loads(about.read_bytes().decode("utf-8", "surrogatepass"))
        return Entry(id=id, folder=about.parent, **said)
    except (ValueError, TypeError, RecursionError) as error:
        raise _corrupted(about, str(error), REBUILD) from None


def read_rows(entry: Entry) -> Iterator[Rejected]:
    """Yield the rejected rows of an entry by place; none where only the batch was refused.

    Raises:
        Corrupted: `rows.jsonl` cannot be read.
    """
    return _rows_of(entry.folder / ROWS)


def _rows_of(path: Path) -> Iterator[Rejected]:
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                row = json.loads(line)
                rejected = Rejected(**{**row, "reasons": tuple(row["reasons"])})
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise _corrupted(path, str(error), BACKUP) from None
            yield rejected


def write_batch_file(
    rows: Iterable[Rejected], target: Path, task_column: str = "task", task: str | None = None
) -> None:
    """Write rows as a JSONL batch.

    Law: `read_batch(target)` returns the same values, places aside. A row that named no task
    is given the one it arrived for; a line that could not be parsed stays unparsed. With
    `task` every row is given that one.
    """
    write_lines(target, (_batch_line(row, task_column, task) for row in rows))


def _row_json(row: Rejected) -> dict[str, Any]:
    raw = row.raw if isinstance(row.raw, str) else parsed(row.raw)
    return {
        "place": row.place,
        "digest": row.digest,
        "reasons": row.reasons,
        "raw": raw,
        "task": row.task,
    }


def _batch_line(row: Rejected, task_column: str, task: str | None) -> bytes:
    if isinstance(row.raw, str):
        return (_json_line(row.raw) if "\n" in row.raw else row.raw + "\n").encode()
    named = row.raw.get(task_column)
    unnamed = named is None or (isinstance(named, str) and not named.strip())
    named_by = task or (row.task if unnamed else None)
    values = {**row.raw, task_column: named_by} if named_by else row.raw
    try:  # as short as it arrived: escapes could take a long line above the limit
        return (canonical_json(values) + "\n").encode()
    except UnicodeEncodeError:
        return _json_line(values).encode("ascii")


def _json_line(value: Any) -> str:
    """Return one line of ASCII JSON: escapes carry what UTF-8 cannot."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"


def _summary(rejected: Iterable[Rejected]) -> str:
    counts = Counter(stem(row.reasons[0]) for row in rejected)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return "; ".join(f"{words}: {times}" for words, times in ordered)


def _prepare_about(
    folder: Path, batch: str, source: str, reason: str, kind: Kind, stored_path: str | None
) -> None:
    about = {
        "batch": batch,
        "source": source,
        "reason": reason,
        "kind": kind,
        "stored_path": stored_path,
        "row_count": _line_count(_newest(folder / batch / ROWS)),
    }
    write_json(_prepared(folder / batch / ABOUT), about)


def _prepared(path: Path) -> Path:
    return path.with_name(f"{path.name}.next{PART_SUFFIX}")


def _newest(path: Path) -> Path:
    prepared = _prepared(path)
    return prepared if prepared.exists() else path


def _line_count(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _corrupted(path: Path, why: str, remedy: str) -> Corrupted:
    return Corrupted(f"{path} cannot be read: {' '.join(why.split())}.", remedy)
