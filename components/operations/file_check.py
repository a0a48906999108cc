"""What a file would be as a batch, before anything is trained.

Concept: the file is read and held to the contract as a run does it, and compared with what the
root knows: the champion's labels, the exams, earlier batches. The champion answers a sample of the
rows, and disagrees for sure where a label may be wrong.

Promise: nothing is recorded, copied or kept: the root is as it was. It answers without a champion,
without an exam and without a base, and says what it could not look at.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from components.data.columns import names_of
from components.data.formats import MARKS, csv_mark
from components.data.readers import Reading, content_digest, identities, read_batch
from components.data.source_file import Source
from components.data.validation import Validation, validate
from components.digest import task_name
from components.errors import ConfigError, DataRejected
from components.items import Item
from components.ledger import views
from components.operations.label_check import champion_on, label_warnings
from components.operations.text_check import unlike_earlier
from components.pipeline.arrival import UNNAMED, check_task, folder_task
from components.pipeline.data_warnings import doubts as data_doubts
from components.pipeline.data_warnings import notes, readable, respelt, tokens
from components.pipeline.held_out_share import held_out_shares
from components.pipeline.new_tasks import with_tasks_now
from components.pipeline.preparation import known_labels, reason_counts
from components.workspace.root import Workspace

Verdict = Literal["refused", "blocked", "seen", "doubtful", "usable", "fine"]

SHOWN = 5
"""Rejected rows that are listed."""

MANY_REJECTED = 0.05
"""Share of rejected rows from which a file is not called fine."""


def check(ws: Workspace, path: Path, task: str | None) -> dict[str, Any]:
    """Return what is known of a file; `refused` says why a run would refuse it.

    `verdict`: refused; blocked, where the settings keep a run from taking any file in (`blocked`
    says why); seen, where a run would train nothing; doubtful, where people should look at the rows
    first; usable, with warnings or many rejected rows; or fine.

    Args:
        ws: the root.
        path: the file.
        task: of rows without one; None: the folder in data/incoming, or `default`.

    Raises:
        ConfigError: there is no such file, or the task's name is not usable.
    """
    if not path.exists():
        raise ConfigError(f"There is no file {path}.", "Check the path and run this again.")
    if task is not None:
        task = check_task(views.renamed_tasks(ws.ledger).get(task_name(task), task))
        check_task(task, ws.settings.data.tasks)
    named = check_task(task or folder_task(ws, path) or UNNAMED)
    found = _find(ws, path, named)
    return found | {"verdict": _verdict(found)}


def _verdict(found: Mapping[str, Any]) -> Verdict:
    if found["refused"]:
        return "refused"
    if found["blocked"]:
        return "blocked"
    if found["seen"]:
        return "seen"
    if found["doubts"]:
        return "doubtful"
    rejected = found["rows"]["rejected"] >= MANY_REJECTED * found["rows"]["read"]
    return "usable" if found["warnings"] or rejected else "fine"


def _find(ws: Workspace, path: Path, named: str) -> dict[str, Any]:
    found: dict[str, Any] = {"file": path.name, "task": named, "refused": None, "blocked": None}
    found["doubts"] = 0
    try:
        reading = read_batch(path, ws.settings.data, named, path.name, ws.identity)
        found["format"] = _format(ws, path, reading)
    except DataRejected as error:
        return found | {"refused": str(error)}
    found["seen"] = _seen(ws, reading, named)
    reading = with_tasks_now(ws, reading)[0]
    labels = known_labels(ws)
    checked = validate(reading, ws.settings.data, labels)
    items = checked.accepted
    copies = _copies(ws, items)
    found |= {
        "rows": _rows(reading, checked),
        "refused": checked.refused or _nothing_to_train(copies, len(items)),
        "labels": _labels(items, labels),
        "copies": copies,
        "tokens": None,
        "warnings": [],
        "tasks": _tasks(ws, items),
        "unlike": None,
        "champion": None,
    }
    if found["refused"] or not items:
        return found
    try:
        shares = tokens(ws, items)
    except ConfigError as error:
        return found | {"blocked": str(error)}
    doubts = [] if found["seen"] else _nothing_new(copies, len(items))
    doubts += data_doubts(ws, items, shares, labels)
    unlike, answered = unlike_earlier(ws, items), champion_on(ws, items, labels)
    if readable(shares):
        doubts += unlike.doubts(shlex.quote(items[0].task))
        if not unlike.unknown:
            doubts += label_warnings(
                answered,
                found["labels"]["missing"],
                respelt(found["labels"]["counts"].keys(), labels),
            )
    return found | {
        "tokens": asdict(shares) if shares else None,
        "warnings": [*notes(ws, items, shares), *unlike.notes(), *doubts],
        "unlike": asdict(unlike),
        "champion": answered,
        "doubts": len(doubts),
    }


def _nothing_to_train(copies: Mapping[str, int], rows: int) -> str | None:
    """Return why a run would have no rows: law 4, holdouts never train."""
    if not rows or copies["in_exams"] < rows:
        return None
    return (
        "No row is left to train on: every row is in an exam, or nearly the same as one. Send rows "
        "that are new; labels of an exam are changed by `ratchet exam relabel`."
    )


def _nothing_new(copies: Mapping[str, int], rows: int) -> list[str]:
    again = copies["in_earlier_batches"]
    if copies["in_exams"] + again < rows:
        return []
    return [
        f"No row is new: {copies['in_exams']:,} are in an exam, and {again:,} were trained on "
        "before. A run would only train on these again; send rows that are new."
    ]


def _format(ws: Workspace, path: Path, reading: Reading) -> dict[str, Any]:
    """Return the kind of file, what separates its cells, and which columns are read as what."""
    data, suffix = ws.settings.data, path.suffix.lower()
    ours = [data.text_column, data.label_column, data.task_column, *data.slice_columns]
    separator = None
    if suffix == ".csv":
        needed = tuple(names_of(each, data) for each in ours[:2])
        size = data.max_file_megabytes * 1_000_000
        source = Source(path, path.name, data.max_line_bytes, size, data.max_rows, needed)
        separator = MARKS[csv_mark(source)]
    first = reading.rows[0].raw if reading.rows else {}
    read_as = {name: name for name in ours if name in reading.columns}
    for theirs, name in data.columns.items():
        if name in read_as and name not in first and theirs in first:
            read_as[name] = theirs
    used = {*read_as, *read_as.values()}
    return {
        "kind": suffix.removeprefix("."),
        "separator": separator,
        "columns": read_as,
        "unused": [name for name in reading.columns if name not in used],
    }


def _seen(ws: Workspace, reading: Reading, task: str) -> dict[str, Any] | None:
    """Return the batch that the root has of these very rows."""
    names = identities(reading, content_digest(reading, ws.settings.data, task))
    known = next((each for name in names if (each := views.arrival(ws.ledger, name))), None)
    if known is None:
        return None
    now = views.arrival(ws.ledger, views.pooled_into(ws.ledger, known.batch)) or known
    return {
        "batch": known.batch,
        "source": known.source,
        "status": now.status,
        "version": now.version,
    }


def _rows(reading: Reading, checked: Validation) -> dict[str, Any]:
    return {
        "read": len(reading.rows) + len(reading.problems),
        "accepted": len(checked.accepted),
        "rejected": len(checked.rejected),
        "reasons": reason_counts(checked),
        "first": [
            {"line": row.place, "reasons": list(row.reasons)} for row in checked.rejected[:SHOWN]
        ],
    }


def _labels(items: Sequence[Item], known: frozenset[str]) -> dict[str, Any]:
    counts = Counter(item.label for item in items)
    return {
        "counts": dict(counts.most_common()),
        "new": sorted(counts.keys() - known) if known else [],
        "missing": sorted(known - counts.keys()),
    }


def _copies(ws: Workspace, items: Sequence[Item]) -> dict[str, int]:
    """Count near-duplicates of what the root has; those in the file itself are rejected rows."""
    near = [item.near for item in items]
    held, trained = views.held_among(ws.ledger, near), views.trained_among(ws.ledger, near)
    return {
        "in_exams": sum(each in held for each in near),
        "in_earlier_batches": sum(each in trained - held for each in near),
    }


def _tasks(ws: Workspace, items: Sequence[Item]) -> dict[str, Any]:
    """Return per task its rows, what a run would hold out of them, and what its exams can tell."""
    shares, rows = held_out_shares(ws, items), Counter(item.task for item in items)
    known, planned = views.known_tasks(ws.ledger), _planned(ws, rows)
    return {
        task: {
            "rows": rows[task],
            "new": task not in known,
            "others": sorted(known) if task not in known else [],
            "held_out": round(rows[task] * shares[task]),
            "exams": planned.get(task, {}).get("exams", []),
            "pools": planned.get(task, {}).get("pools", []),
        }
        for task in sorted(rows)
    }


def _planned(ws: Workspace, tasks: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return what `ratchet gate plan` says of the exams and pools of these tasks."""
    from components.exam_names import task_of
    from components.operations.planning import plan

    if tasks.keys().isdisjoint(views.known_tasks(ws.ledger)):
        return {}
    try:
        value = plan(ws, None, None)
    except ConfigError:  # nothing is held out yet of what the champion knows
        return {}
    return {
        task: {
            kind: [each for each in value[kind] if task_of(each["exam"]) == task]
            for kind in ("exams", "pools")
        }
        for task in tasks
    }
