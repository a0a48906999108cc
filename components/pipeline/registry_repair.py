"""Repair what was lost or changed in MLflow: versions, runs and their files.

Concept: each version is compared with its record (`registered`). Its files come back first,
from the bundle, the documents, the reports and the texts kept at registration; then its
rows. What has no intact copy is left as it is, and reported every time.

Promise: nothing is deleted: what does not belong in a model's folder is moved to
`mlruns/aside`. If it is killed at any point, the next run finishes the work.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from components.errors import Corrupted
from components.files import PART_SUFFIX, FileMark, mark_of, publish_file, write_bytes
from components.ledger.events import RegistrationRebuilt
from components.ledger.ledger import Lease
from components.pipeline import earlier_registrations, registration_records
from components.pipeline.registration_records import Record
from components.registry.inspection import (
    Shown,
    differences,
    listing,
)
from components.registry.packaging import MODEL, model_texts
from components.workspace.root import Workspace


def restore_versions(ws: Workspace, lease: Lease, deep: bool, only: int | None = None) -> list[str]:
    """Put right every version, or `only` that one, that MLflow shows differently.

    Returns what was done, in words.
    """
    shown, done = ws.registry.shown(), list[str]()
    for record in registration_records.records(ws, only):
        found = shown.get(record.version.version)
        wholly = found is None or found.run is None
        if wholly and not record.complete:
            record = _complete(ws, lease, record, done)
        done += _restore_files(ws, record, deep)
        done += _restore_rows(ws, record, found)
    return done


def _restore_rows(ws: Workspace, record: Record, found: Shown | None) -> list[str]:
    ws.registry.require_experiment(record.submission.get("experiment"))
    wanted = registration_records.expected(ws, record)
    wrong = differences(wanted, found)
    if not wrong:
        return []
    left = ws.registry.put_right(wanted, record.when)
    done = [f"repaired in MLflow: {words}" for words in wrong if words not in left]
    return done + [f"not changed, MLflow's server does not allow it: {words}" for words in left]


def _restore_files(ws: Workspace, record: Record, deep: bool) -> list[str]:
    """Copy what is missing or was changed from its source; move aside what does not belong."""
    folder = ws.registry.run_folder(record.version.run)
    if folder is None:
        return []
    done, here = list[str](), f"version {record.version.version}"
    for name, what in registration_records.files_wrong(ws, record, deep).items():
        if what == "extra":
            move_aside(ws, folder / name, record.version.run, name)
            done.append(f"{here}: moved {name} to mlruns/aside: it was not created by Ratchet")
        elif _copy_back(ws, record, folder / name, name):
            done.append(f"{here}: rewrote {name}: it was {what}")
        else:
            done.append(f"not changed: {here}: {name} is {what}, and there is no intact copy")
    return done


def _copy_back(ws: Workspace, record: Record, target: Path, name: str) -> bool:
    """Write one file from a source that has the right digest; tell whether there was one."""
    mark = FileMark(**record.files[name])
    if target.is_symlink() or target.is_dir():
        move_aside(ws, target, record.version.run, name)
    beside = name.removeprefix(f"{MODEL}/")
    texts = registration_records.texts_of(ws, record) if beside != name else {}
    if beside in texts:
        write_bytes(target, texts[beside].encode())
        return mark_of(target) == mark
    source = registration_records.sources(ws, record.version).get(name)
    if source is None or not source.is_file() or mark_of(source) != mark:
        return False
    publish_file(source, target)
    return True


def move_aside(ws: Workspace, file: Path, whose: str, name: str) -> None:
    """Move what does not belong in a run or bundle to `mlruns/aside/<whose>`."""
    target = ws.mlruns / "aside" / whose / name
    while os.path.lexists(target):
        target = target.with_name(f"{target.name}~")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file, target)


def _complete(ws: Workspace, lease: Lease, record: Record, done: list[str]) -> Record:
    """Derive what an older Ratchet did not record, write missing files, and record it all now.

    Where the bundle or the evidence is gone, the record stays as it is: the rows alone come
    back.
    """
    folder = ws.registry.run_folder(record.version.run)
    if folder is None:
        return record
    try:
        submission = earlier_registrations.submission(
            ws, record.version, str(record.payload["key"])
        )
    except Corrupted as damage:
        done.append(f"not changed: version {record.version.version}: {damage.message}")
        return record
    if not (folder / MODEL / "MLmodel").is_file():
        _write_model(ws, folder, submission)
    for name, file in registration_records.sources(ws, record.version).items():
        if file.is_file() and not (folder / name).exists():
            publish_file(file, folder / name)
    shown = {**submission.document(), "experiment": ws.settings.registry.experiment}
    rebuilt = RegistrationRebuilt(
        key=record.payload["key"],
        version=record.version.version,
        run=record.version.run,
        submission=ws.write_document(shown),
        files=ws.write_document(listing(folder)),
        texts=ws.write_document(model_texts(folder / MODEL)),
    )
    ws.ledger.append(rebuilt, lease)
    done.append(f"version {record.version.version}: recorded all that MLflow shows of it")
    return registration_records.record_of(ws, record.version, {**record.payload, **rebuilt.said()})


def _write_model(ws: Workspace, folder: Path, submission: Any) -> None:
    """Rewrite a model folder; what is left of the old one is moved aside."""
    part = ws.mlruns / f"registry.model{PART_SUFFIX}"
    shutil.rmtree(part, ignore_errors=True)
    ws.registry.write_model(part, submission)
    if (folder / MODEL).exists():
        move_aside(ws, folder / MODEL, folder.parent.name, MODEL)
    folder.mkdir(parents=True, exist_ok=True)
    os.replace(part, folder / MODEL)
