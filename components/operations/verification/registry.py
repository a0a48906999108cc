"""MLflow: what it shows and serves, against what the ledger says of each version.

Concept: rows (versions, tags, numbers, runs, aliases) are compared in full at both depths, and
so are the files that the champion is served from; other versions' files as deep as asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.ledger import views
from components.operations.verification.file_marks import Marks, wanted
from components.operations.verification.findings import Finding, Found, Holds, Skipped
from components.operations.verification.mlflow_extras import check_extras
from components.operations.verification.scene import Scene
from components.pipeline.registration_records import (
    Record,
    alias_differences,
    expected,
    files_wrong,
    records,
)
from components.registry.inspection import differences

REMEDY = "Run `ratchet reconcile`: it rewrites what MLflow shows, from the ledger and the bundles."


def check_registry(scene: Scene) -> Iterator[Found]:
    """Aliases, the row of each version, its run, and the files of the run."""
    ws, held = scene.ws, 0
    versions = scene.told("registration.done") and records(ws)
    if not versions:
        yield Skipped("MLflow", "no version has been registered yet")
        return
    yield from (Finding(place, what, REMEDY) for place, what in alias_differences(ws))
    shown, champion = ws.registry.shown(), views.champion(ws.ledger)
    whole, marks = Scene(ws, True, scene.events), Marks(scene, REMEDY)
    for done, record in enumerate(versions):
        ws.progress("MLflow", done, len(versions))
        number = record.version.version
        serves = champion is not None and champion.version == number
        wrong = differences(expected(ws, record), shown.get(number))
        if wrong and not differences(expected(ws, record, worded=False), shown.get(number)):
            wrong = []  # as an older Ratchet showed it: `reconcile` adds what is said since
        found: list[Found] = [Finding(f"MLflow, version {number}", each, REMEDY) for each in wrong]
        found += _files(scene, record, Marks(whole, REMEDY) if serves else marks)
        held += not found
        yield from found
    yield Holds("versions in MLflow", held)
    yield from check_extras(scene, shown)
    yield from marks.skipped("files in MLflow of versions that are not served")
    if old := [each.version.version for each in versions if not each.complete]:
        what = f"some of what MLflow shows of version {', '.join(map(str, old))}"
        yield Skipped(what, "an earlier version of Ratchet did not record all of it")
    yield Skipped("mlruns/reports", "reports for reading; the run of each version has its own copy")
    if ws.registry.run_folder(versions[0].version.run) is None:
        yield Skipped("the files of versions", "they are on a server, not on this machine")


def _files(scene: Scene, record: Record, marks: Marks) -> Iterator[Found]:
    """Compare the files of a run with its listing: names and sizes first, then bytes."""
    folder = scene.ws.registry.run_folder(record.version.run)
    if folder is None:
        return
    wrong = files_wrong(scene.ws, record, deep=False)
    for name, what in wrong.items():
        yield Finding(scene.relative(folder / name), f"it is {what}", REMEDY)
    for name, mark in record.files.items():
        if name not in wrong:
            finding = marks.compare(wanted(folder / name, mark))
            if finding is not None:
                yield finding
