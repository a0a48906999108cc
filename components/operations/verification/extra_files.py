"""Files that lie where Ratchet keeps its own, and that no event names: they decide nothing.

Concept: honest roots have such files too (runs that broke off, earlier listings of DVC, people's
own), so they are named and are no finding. Where a stray file would be used, the check of that
place finds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from components.data.dvc_tracking import tracked_folders
from components.files import PART_SUFFIX
from components.operations.verification.batches import stored_marks
from components.operations.verification.findings import Found, Skipped, some
from components.operations.verification.scene import Scene
from components.workspace.setting_places import OWN_IN_MLRUNS


def check_extra_files(scene: Scene) -> Iterator[Found]:
    """Name what is beside Ratchet's own in `mlruns`, its artifacts, and DVC's two copies."""
    ws = scene.ws
    beside = [path.name for path in ws.mlruns.glob("*") if not OWN_IN_MLRUNS.fullmatch(path.name)]
    if beside:
        yield Skipped(f"{some(beside)} in {scene.relative(ws.mlruns)}", "not Ratchet's")
    runs = {payload["run"] for payload in scene.told("registration.done")}
    artifacts = ws.mlruns / "artifacts"
    others = [path.name for path in artifacts.glob("*") if path.name not in runs]
    if others:
        what = f"{some(others)} in {scene.relative(artifacts)}"
        yield Skipped(what, "not the run of a version, so no version is loaded from it")
    yield from _objects(scene)


def _objects(scene: Scene) -> Iterator[Found]:
    """Count the objects of DVC that neither an event nor a hint names."""
    ws = scene.ws
    known = {mark["md5"] for mark in stored_marks(scene)}
    for folder in (ws.batches, ws.holdouts):
        tracked = tracked_folders(folder.with_name(f"{folder.name}.dvc")) or ()
        known |= {each.md5 for each in tracked}
    places = {"cache": ws.root / ".dvc" / "cache"}
    if isinstance(ws.remote, Path):  # the check of copies names an address
        places["remote"] = ws.remote
    for name, place in places.items():
        found = {_shown(place / "files" / "md5", path) for path in _files(place / "files")}
        if count := len(found - known):
            why = "no event mentions them, for example old listings; nothing is restored from them"
            yield Skipped(f"{count} file{'s' * (count > 1)} in the {name}", why)


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if not name.endswith(PART_SUFFIX))


def _shown(objects: Path, path: Path) -> str:
    """Return the MD5 that an object is named by; of any other file, its path."""
    inside = path.relative_to(objects).parts if path.is_relative_to(objects) else ()
    return "".join(inside) if len(inside) == 2 else str(path)
