"""Quarantine: what was refused, why, and how it comes back.

Concept: one folder a batch under `data/quarantine/<batch digest>/`: `rows.jsonl` holds its
rejected rows with place, reasons and values; `about.json` says what the entry is about and
is written last, so a folder without it is an unfinished one and is not listed.

Promise (law 8, nothing is lost): every value comes back as it was read, lone surrogates and
control characters included. Releasing is the ledger's event; nothing is deleted here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from components.data.contract import stem
from components.data.records import parsed
from components.data.validation import Rejected
from components.digest import canonical_json
from components.errors import ConfigError, Corrupted
from components.files import mark_of, write_json, write_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

Kind = Literal["rows", "batch"]
ID = re.compile(r"[0-9a-f]{64}")


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


def write_rows(folder: Path, batch: str, source: str, rejected: Sequence[Rejected]) -> Entry | None:
    """Keep the rejected rows of a batch; None where there are none.

    Law: idempotent; of several writes the last one says what the entry is. So where a whole
    batch is refused, `write_batch` comes after this.
    """
    if not rejected:
        return None
    lines = (_json_line(_row_json(row)).encode("ascii") for row in rejected)
    write_lines(folder / batch / "rows.jsonl", lines)
    return _write_about(folder, batch, source, _summary(rejected), "rows", None)


def write_batch(folder: Path, batch: str, source: str, reason: str, stored_path: str) -> Entry:
    """Keep a whole batch out: its bytes lie at `stored_path`; rows kept before stay."""
    return _write_about(folder, batch, source, reason, "batch", stored_path)


def marks(folder: Path, batch: str) -> dict[str, Any]:
    """Return file name -> mark of the files of an entry, as the event that made it carries them."""
    files = (folder / batch / name for name in ("about.json", "rows.jsonl"))
    return {path.name: mark_of(path).to_json() for path in files if path.exists()}


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
    about = folder / id / "about.json"
    if not ID.fullmatch(id) or not about.is_file():
        raise ConfigError(
            f"There is no quarantine entry {id!r} in {folder}.",
            "List the entries and copy the id (64 hex digits) from there.",
        )
    try:
        said = json.loads(about.read_bytes().decode("utf-8", "surrogatepass"))
        return Entry(id=id, folder=about.parent, **said)
    except (ValueError, TypeError) as error:
        raise _corrupted(about, error) from None


def read_rows(entry: Entry) -> list[Rejected]:
    """Return the rejected rows of an entry by place; none where only the batch was refused.

    Raises:
        Corrupted: `rows.jsonl` cannot be read.
    """
    return list(_rows(entry))


def _rows(entry: Entry) -> Iterator[Rejected]:
    """Yield the rows of `read_rows` one by one."""
    path = entry.folder / "rows.jsonl"
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                row = json.loads(line)
                rejected = Rejected(**{**row, "reasons": tuple(row["reasons"])})
            except (ValueError, TypeError, KeyError) as error:
                raise _corrupted(path, error) from None
            yield rejected


def rows_to_batch_file(
    entry: Entry, target: Path, task_column: str = "task", task: str | None = None
) -> int:
    """Write the rejected rows of an entry as a JSONL batch and return their number.

    Law: `read_batch(target)` returns the same values, places aside. A row that named no task
    is given the one it arrived for; a line that could not be parsed stays unparsed. With
    `task` every row is given that one.
    """
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for count, row in enumerate(_rows(entry), start=1):  # noqa: B007
            yield _batch_line(row, task_column, task)

    write_lines(target, lines())
    return count


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


def _write_about(
    folder: Path, batch: str, source: str, reason: str, kind: Kind, stored_path: str | None
) -> Entry:
    rows = folder / batch / "rows.jsonl"
    about = {
        "batch": batch,
        "source": source,
        "reason": reason,
        "kind": kind,
        "stored_path": stored_path,
        "row_count": _line_count(rows),
    }
    write_json(folder / batch / "about.json", about)
    return read_entry(folder, batch)


def _line_count(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _corrupted(path: Path, error: Exception) -> Corrupted:
    return Corrupted(
        f"{path} cannot be read: {' '.join(str(error).split())}.",
        "Restore it from a backup, or move its folder away; the batch can be sent again.",
    )
