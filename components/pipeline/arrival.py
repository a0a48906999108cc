"""Arrival: a file becomes one inbox row, regardless of its name and of how often it arrives.

Concept: the file is copied first; the copy is read, and an intent is written before it is
published under the batch's digest. So an inbox row always points to a file, and an arrival that
is killed halfway is finished from its intent. An unusable file arrives too: it gets the digest of
its bytes, is refused, and goes to quarantine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from components.data.quarantine import prepare_batch
from components.data.readers import Reading, content_digest, identities, read_batch
from components.digest import json_digest, task_name
from components.errors import ConfigError, DataRejected, RatchetError
from components.exam_names import is_usable_task
from components.files import mark_of, move_file, read_bytes, write_json
from components.ledger import views
from components.ledger.events import BatchArrived, StoreDone, from_said
from components.pipeline.other_task import OtherTask, other_task
from components.pipeline.staging import Staged, known_suffix, stage
from components.pipeline.taken_out import is_out
from components.workspace import unknown_files
from components.workspace.batch_files import (
    append_entry,
    finish_entries,
    keep_aside,
    raw_path,
    remove_unfinished,
    staging,
    unread_path,
)
from components.workspace.root import Workspace
from components.workspace.stored_files import store_files

UNNAMED = "default"
"""The task of rows for which nobody named one."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """The result of an arrival.

    `is_new` is False for a batch seen before, which came from the file `known_as`; `refused`
    says why a file can't be used at all. `alike`: the batch that has the same texts and labels,
    but other tasks or columns. `note`: how the file was used if the batch's own bytes were lost.
    `other_task`: how a batch that was seen before for another task is given the right one.
    `taken_out`: that the champion lacks a batch that was let in before, why, and what to do.
    """

    batch: str
    is_new: bool
    source: str = ""
    refused: str | None = None
    known_as: str | None = None
    alike: str | None = None
    note: str | None = None
    other_task: OtherTask | None = None
    taken_out: str | None = None


def arrive(ws: Workspace, path: Path, task: str | None, name: str | None = None) -> Arrived:
    """Take one file in; it stays where it is.

    The task of rows without one is `task`, else the folder under `data/incoming` that the
    file lies in, else `default`. `name` is what people know the file by, where its own name
    says nothing.

    Raises:
        ConfigError: there is no such file, or the task's name is not usable.
        DataRejected: it is not a file but a folder, a pipe or the like, or cannot be read.
        Retryable: it is still being written.
    """
    if not path.exists():
        raise ConfigError(f"There is no file {path}.", "Check the path and run this again.")
    if task is not None:
        task = check_task(task)
        check_task(views.renamed_tasks(ws.ledger).get(task, task), ws.settings.data.tasks)
    asked = task or folder_task(ws, path)
    check_task(asked or UNNAMED)
    with arriving(ws):
        staged = stage(path.resolve(), staging(ws), ws.settings.data.max_file_megabytes)
        return take(ws, staged, name or path.name, asked)


def take(ws: Workspace, staged: Staged, name: str, named_task: str | None) -> Arrived:
    """Read a copy and record its arrival, refused where it cannot be used."""
    source, suffix = printable(name), known_suffix(staged.path.name)
    task = UNNAMED if named_task is None else named_task
    found = _read(ws, staged, source, task)
    batch, alike, said = staged.mark.sha256, None, {}
    refused = found if isinstance(found, str) else None
    if isinstance(found, Reading):
        content = content_digest(found, ws.settings.data, task)
        batch, alike = _identity(ws, found, content, named_task)
        said = {"content": content}
    if known := views.arrival(ws.ledger, batch):
        note = _keep_or_drop(ws, known, staged)
        asked = isinstance(found, Reading) and any(row.task == named_task for row in found.rows)
        other = other_task(ws, known, task) if asked else None
        return Arrived(
            batch,
            is_new=False,
            source=source,
            known_as=known.source,
            note=note,
            other_task=other,
            taken_out=_taken_out(ws, batch),
        )
    place = raw_path(ws, batch, suffix)
    raw = {"path": str(place.relative_to(ws.root)), **staged.mark.to_json()}
    payload = _payload(batch, source, suffix, task, refused) | {"raw": raw} | said
    return replace(_record(ws, payload, staged.path, place), alike=alike)


def refuse_unreadable(ws: Workspace, path: Path, task: str | None, error: DataRejected) -> Arrived:
    """Refuse a file that is too large, or that can't be read: it is moved as it is.

    Raises:
        OSError: it can't be moved either.
    """
    status = path.lstat()
    batch = json_digest([printable(str(path)), status.st_ino, status.st_size, status.st_mtime_ns])
    source = printable(path.name)
    if known := views.arrival(ws.ledger, batch):
        return Arrived(batch, is_new=False, source=source, known_as=known.source)
    reason = printable(str(error)).replace(printable(str(path)), source)
    suffix = known_suffix(path.name)
    payload = _payload(batch, source, suffix, task or UNNAMED, reason)
    return _record(ws, payload, path, unread_path(ws, batch, suffix))


def check_task(task: str, legal: Literal["open"] | list[str] = "open") -> str:
    """Return the name as it is kept, unless no task may have it: "mood#2" is an exam of "mood".

    Raises:
        ConfigError: it is blank, holds a `#` or a character that cannot be printed, or is
            none of the `legal` ones.
    """
    task = task_name(task)
    if not is_usable_task(task):
        raise ConfigError(
            f"{printable(task)!r} is not a valid task name.", "Use a printable name without `#`."
        )
    if legal != "open" and task not in legal:
        raise ConfigError(
            f"There is no task {task!r}: data.tasks lists {', '.join(legal)}.",
            "Use one of these, or add it to data.tasks in params.yaml.",
        )
    return task


def printable(name: str) -> str:
    """Return text that UTF-8 can hold: what it cannot (lone surrogates) is written out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def folder_task(ws: Workspace, path: Path) -> str | None:
    """Return the task that a file's folder under `data/incoming` names, if it lies in one."""
    incoming = ws.incoming.resolve()
    folder = path.parent.resolve()
    if folder != incoming and folder.is_relative_to(incoming):
        return task_name(folder.relative_to(incoming).parts[0])
    return None


def _read(ws: Workspace, staged: Staged, source: str, task: str) -> Reading | str:
    """Read the copy; text is the reason why it is refused."""
    if not is_usable_task(task):
        return (
            f"{printable(task)!r}, the name of its folder, is not a valid task name. Use a "
            "printable name without `#`: `ratchet quarantine release BATCH --task NAME`."
        )
    try:
        return read_batch(staged.path, ws.settings.data, task, source, ws.identity)
    except DataRejected as error:
        return printable(str(error))
    except (RatchetError, OSError):
        raise  # ours, not the file's
    except Exception as error:
        # A parser that breaks on one file must not stop the others behind it.
        said = " ".join(str(error).split())[:300]
        return printable(f"{source} makes the reader fail: {type(error).__name__}: {said}.")


def _identity(
    ws: Workspace, reading: Reading, content: str, named_task: str | None
) -> tuple[str, str | None]:
    """Return the batch's name, and the batch that it is like but not equal to.

    A file that comes without a task is a copy of the same rows with one, and the other way round:
    whoever sends it again for its task corrects it, and does not bring another one.
    """
    digest, told_apart = identities(reading, content)
    first = views.arrival(ws.ledger, digest)
    if first is None:
        return digest, None
    if views.arrival(ws.ledger, told_apart):
        return told_apart, digest
    names = views.renamed_tasks(ws.ledger)
    same_task = names.get(first.task, first.task) == names.get(named_task or "", named_task)
    if named_task is None or first.task == UNNAMED or same_task:
        content = content_digest(reading, ws.settings.data, first.task)
    same = views.arrived(ws.ledger, first).content == content
    return (digest, None) if same else (told_apart, digest)


def _keep_or_drop(ws: Workspace, known: views.Arrival, staged: Staged) -> str | None:
    """Remove a copy of what is stored; where that is lost, keep the copy, and say so."""
    raw = views.arrived(ws.ledger, known).raw
    place = ws.root / raw["path"] if raw else raw_path(ws, known.batch, known.suffix)
    if place.is_file() and (raw is None or mark_of(place).sha256 == raw["sha256"]):
        staged.path.unlink()
        return None
    if raw and staged.mark.sha256 == raw["sha256"]:
        if place.is_file():
            keep_aside(ws, place, known.batch)
        move_file(staged.path, place)
        return "its stored bytes were lost or damaged, and were replaced by this file"
    kept = keep_aside(ws, staged.path, known.batch).relative_to(ws.root)
    return f"its stored bytes are lost or damaged and were different; this file is kept as {kept}"


def _taken_out(ws: Workspace, batch: str) -> str | None:
    removal = views.taken_out(ws.ledger, views.pooled_into(ws.ledger, batch))
    return is_out(removal) if removal else None


def _payload(
    batch: str, source: str, suffix: str, task: str, refused: str | None
) -> dict[str, Any]:
    return {
        "batch": batch,
        "source": source,
        "task": printable(task),
        "suffix": suffix,
        "refused": refused,
    }


def _record(ws: Workspace, payload: dict[str, Any], staged: Path, place: Path) -> Arrived:
    """Publish the bytes and record the arrival, from an intent that outlives this process."""
    where = {"staged": str(staged), "place": str(place.relative_to(ws.root))}
    write_json(_mark(ws), {**where, "payload": payload})
    _publish(ws, payload, staged, place)
    return _finish(ws, payload, place)


def _publish(ws: Workspace, payload: dict[str, Any], staged: Path, place: Path) -> None:
    if "raw" not in payload:  # it can't be opened, so it can't be flushed either
        place.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(place)
        return
    if place.exists() and mark_of(place).sha256 != payload["raw"]["sha256"]:
        keep_aside(ws, place, payload["batch"])
    move_file(staged, place)


def _finish(ws: Workspace, payload: dict[str, Any], place: Path) -> Arrived:
    batch, arrived = payload["batch"], from_said(BatchArrived, payload)
    if payload["refused"]:
        if "raw" in payload:
            files = store_files(ws, [place])
            ws.ledger.append(StoreDone(key=f"store:{batch}", batch=batch, files=files), None)
        kept = str(place.relative_to(ws.root))
        prepare_batch(ws.quarantine, batch, payload["source"], payload["refused"], kept)
        append_entry(ws, None, arrived, batch)
    else:
        ws.ledger.append(arrived, None)
    return Arrived(batch, is_new=True, source=payload["source"], refused=payload["refused"])


@contextmanager
def arriving(ws: Workspace) -> Iterator[None]:
    """Keep arrivals apart; a mark outlives those that broke off, by a kill or by a fault.

    Raises:
        NeedsHuman: the ledger is an older copy, or others know more than it.
    """
    with ws.arrivals_locked():
        if ws.ledger.noted() is None:  # then only what others know tells of an older copy
            unknown_files.require_known(ws, interrupted=was_interrupted(ws))
        _finish_interrupted(ws)
        _mark(ws).touch()
        yield
        _mark(ws).unlink(missing_ok=True)


def was_interrupted(ws: Workspace) -> bool:
    """Tell whether an arrival broke off, or goes on now."""
    return _mark(ws).exists()


def _mark(ws: Workspace) -> Path:
    return ws.mlruns / "arriving"


def finish_interrupted(ws: Workspace) -> list[str]:
    """Record the arrival that a killed process had begun; return what was done, in words."""
    with ws.arrivals_locked():
        return _finish_interrupted(ws)


def begun_place(ws: Workspace) -> Path | None:
    """Return where the file goes whose arrival goes on now, or broke off; None without one."""
    begun = _begun(ws)
    return begun and begun[2]


def _begun(ws: Workspace) -> tuple[dict[str, Any], Path, Path] | None:
    """Return payload, copy and place of an arrival; None where nothing was published yet."""
    try:
        intent = json.loads(read_bytes(_mark(ws)))
        payload, staged = intent["payload"], Path(intent["staged"])
        payload["batch"], payload["source"], payload["refused"]
        return payload, staged, ws.root / intent["place"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _finish_interrupted(ws: Workspace) -> list[str]:
    if (begun := _begun(ws)) is None:
        return []
    payload, staged, place = begun
    done = []
    if views.arrival(ws.ledger, payload["batch"]) is None:
        if _is_whole(staged, payload):
            _publish(ws, payload, staged, place)
        if _is_whole(place, payload):
            _finish(ws, payload, place)
            done.append(f"recorded the arrival of {payload['source']}, started before a crash")
    else:
        finish_entries(ws)
    _mark(ws).unlink()
    return done


def _is_whole(path: Path, payload: dict[str, Any]) -> bool:
    raw = payload.get("raw")
    return path.exists() and (raw is None or mark_of(path).sha256 == raw["sha256"])


def discard_unfinished(ws: Workspace) -> list[str]:
    """Remove what a killed process left half-made; nothing that holds a whole file."""
    with ws.arrivals_locked():
        _finish_interrupted(ws)
        finish_entries(ws)
        left = remove_unfinished(ws)
        _mark(ws).unlink(missing_ok=True)
    return [str(path.relative_to(ws.root)) for path in left]
