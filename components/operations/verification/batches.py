"""The stored data: raw bytes and items of batches, and the exams, against the marks in events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.files import PART_SUFFIX
from components.operations.verification.file_marks import Marks, Wanted, wanted
from components.operations.verification.findings import Finding, Found, Holds, Skipped
from components.operations.verification.scene import Scene
from components.pipeline.arrival import begun_place
from components.workspace.batch_files import items_path, raw_path, unread_path

REMEDY = "Move it away if it exists; `dvc checkout` restores it from the cache or the remote."
KNOWN_NAMES = (".gitignore", ".gitkeep", "README.md")
DESKTOP_NAMES = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What a desktop's file manager leaves in every folder that is looked at; nothing reads them."""
DESKTOPS_OWN = "desktop files"


def check_batches(scene: Scene) -> Iterator[Found]:
    """Every file of every batch and exam; files that no event knows."""
    marks, files = Marks(scene, REMEDY), known_files(scene)
    for done, known in enumerate(files.values()):
        scene.ws.progress("data", done, len(files))
        if (finding := marks.compare(known)) is not None:
            yield finding
    yield Holds("data files", marks.held)
    yield from marks.skipped("data files")
    unmarked = sum(each.size is None for each in files.values())
    if unmarked:
        yield Skipped(f"the bytes of {unmarked} data files", "they were recorded without a digest")
    allowed = set(files) | _in_the_making(scene)
    for folder in (scene.ws.batches, scene.ws.holdouts):
        yield from _unknown(scene, folder, allowed)


def known_files(scene: Scene) -> dict[Path, Wanted]:
    """Return every data file that an event names, by path; the newest word on it counts."""
    ws, found = scene.ws, dict[Path, Wanted]()
    for payload in scene.told("batch.arrived"):
        raw = payload.get("raw")
        if raw:
            found[ws.root / raw["path"]] = wanted(ws.root / raw["path"], raw)
        elif payload.get("refused") is None:
            path = raw_path(ws, payload["batch"], payload["suffix"])
            found[path] = Wanted(path)
        elif "quarantine" in payload:  # the system did not let it be read
            path = unread_path(ws, payload["batch"], payload["suffix"])
            found[path] = Wanted(path)
        else:  # an earlier Ratchet kept it under the digest of its bytes
            path = ws.quarantine / payload["batch"] / f"raw{payload['suffix']}"
            found[path] = Wanted(path, sha256=payload["batch"])
    for mark in stored_marks(scene):
        path = ws.root / mark["path"]
        found[path] = wanted(path, mark)
    return found


def stored_marks(scene: Scene) -> list[dict[str, Any]]:
    """Return the marks of all that DVC keeps, oldest first; of what was removed there are none."""
    found: list[dict[str, Any]] = []
    for payload in scene.told("store.done", "holdout.done", "relabel.done", "removal.begun"):
        if "sources" in payload:
            gone = {_holdout_path(scene, source) for source in payload["sources"]}
            found = [mark for mark in found if scene.ws.root / mark["path"] not in gone]
        found += payload.get("files", [])
        found += [payload["stored"]] if "stored" in payload else []
    return found


def is_of_desktop(path: Path) -> bool:
    """Tell whether a desktop left that file; a link or a folder of such a name is none."""
    return path.name in DESKTOP_NAMES and path.is_file() and not path.is_symlink()


def _in_the_making(scene: Scene) -> set[Path]:
    """Return files that may lie there while, or since, a process died: written, not recorded."""
    ws = scene.ws
    begun = {items_path(ws, each["batch"]) for each in scene.told("store.begun") if "batch" in each}
    keys = [str(each["key"]) for each in scene.told("holdout.begun", "relabel.begun")]
    if (arriving := begun_place(ws)) is not None:
        begun.add(arriving)
    begun |= {_holdout_path(scene, key.partition(":")[2]) for key in keys}
    erased = {each["key"] for each in scene.told("removal.done")}
    removed = [each for each in scene.told("removal.begun") if each["key"] not in erased]
    going = {_holdout_path(scene, source) for each in removed for source in each["sources"]}
    return begun - _gone(scene) | going


def _gone(scene: Scene) -> set[Path]:
    """Return where the texts lay that were removed, and not added again since."""
    found = set[Path]()
    for payload in scene.told("holdout.begun", "removal.begun"):
        if "sources" in payload:
            found |= {_holdout_path(scene, source) for source in payload["sources"]}
        else:
            found.discard(_holdout_path(scene, payload["key"].partition(":")[2]))
    return found


def _holdout_path(scene: Scene, source: str) -> Path:
    return scene.ws.holdouts / f"{source}.jsonl"


def _unknown(scene: Scene, folder: Path, allowed: set[Path]) -> Iterator[Found]:
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(PART_SUFFIX):
            yield Skipped(scene.relative(path), "unfinished; `ratchet reconcile` removes it")
        elif path in allowed or (path.is_dir() and not path.is_symlink()):
            continue
        elif is_of_desktop(path):
            yield Skipped(scene.relative(path), DESKTOPS_OWN)
        elif not (path.name in KNOWN_NAMES and path.parent == folder):
            yield Finding(
                scene.relative(path),
                "no event mentions it",
                "Move it away, then check where it came from.",
            )
