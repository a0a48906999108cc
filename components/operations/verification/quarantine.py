"""Quarantine: what is said of each entry, and its rows, against the marks in events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.data.quarantine import FILES
from components.files import PART_SUFFIX
from components.ledger import views
from components.operations.verification.batches import DESKTOPS_OWN, is_of_desktop, known_files
from components.operations.verification.file_marks import Marks, wanted
from components.operations.verification.findings import Finding, Found, Holds, Skipped
from components.operations.verification.scene import Scene

REMEDY = "`ratchet reconcile` rewrites a lost about.json; restore rows from a backup."


def check_quarantine(scene: Scene) -> Iterator[Found]:
    """Each entry's files; entries that are gone; files that no event knows."""
    ws, marks = scene.ws, Marks(scene, REMEDY)
    recorded = views.newest_entry_marks(payload for _, payload in scene.events or ())
    entered = {row.batch for row in views.quarantined(ws.ledger)}
    for batch, files in recorded.items():
        for name, mark in files.items():
            finding = marks.compare(wanted(ws.quarantine / batch / name, mark))
            if finding is not None:
                yield finding
    yield Holds("quarantine files", marks.held)
    yield from marks.skipped("quarantine files")
    for batch in sorted(entered - set(recorded)):
        if not (ws.quarantine / batch / "about.json").is_file():
            where = scene.relative(ws.quarantine / batch)
            yield Finding(where, "the entry, or its about.json, is missing", REMEDY)
    if unmarked := len(entered - set(recorded)):
        what = f"the contents of {unmarked} quarantine entries"
        yield Skipped(what, "they were recorded without digests")
    yield from _unknown(scene, recorded, entered)


def _unknown(
    scene: Scene, recorded: dict[str, dict[str, Any]], entered: set[str]
) -> Iterator[Found]:
    """Find files that no event speaks of; a batch that just arrived may have its entry already."""
    ws, raw = scene.ws, set(known_files(scene))
    arrived = {payload["batch"] for payload in scene.told("batch.arrived")}
    for path in sorted(ws.quarantine.rglob("*")):
        if (path.is_dir() and not path.is_symlink()) or path.name in (".gitkeep", ".gitignore"):
            continue
        if is_of_desktop(path):
            yield Skipped(scene.relative(path), DESKTOPS_OWN)
            continue
        batch, known = path.parent.name, path in raw or path.name == "released.jsonl"
        if path.name.endswith(PART_SUFFIX):
            yield Skipped(scene.relative(path), "unfinished; `ratchet reconcile` removes it")
        elif batch in recorded:
            known = known or path.name in recorded[batch]
        else:
            known = known or (path.name in FILES and batch in entered | arrived)
        if not known and not path.name.endswith(PART_SUFFIX):
            what = "no event mentions it"
            yield Finding(
                scene.relative(path), what, "Move it away, then check where it came from."
            )
