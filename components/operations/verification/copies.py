"""The second and third copy of the data: DVC's cache, the remote, and the hints that name them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from components.data.dvc_tracking import Tracked, file_md5, tracked_folders
from components.operations.verification.batches import stored_marks
from components.operations.verification.file_marks import Marks, Wanted
from components.operations.verification.findings import Finding, Found, Holds, Skipped
from components.operations.verification.scene import Scene

REMEDY = "Delete it if it exists; the next batch of its folder, or `dvc push`, copies it again."
HINT_REMEDY = "Delete it; it is recreated when the next batch of its folder is stored."


def check_copies(scene: Scene) -> Iterator[Found]:
    """Every stored object in the cache and in the remote, and the hints with their listings."""
    ws = scene.ws
    stored = {ws.root / mark["path"]: mark for mark in stored_marks(scene)}
    places = {"cache": ws.root / ".dvc" / "cache"}
    if isinstance(ws.remote, Path):
        places["remote"] = ws.remote.resolve()
    else:
        why = "it is not a folder on this machine; use `dvc status -c`"
        yield Skipped(f"the remote {ws.remote}", why)
    for name, place in places.items():
        if stored and not place.is_dir():
            yield Finding(
                scene.relative(place),
                f"the {name} is missing, with all copies in it (files: {len(stored)})",
                "Restore it from a backup, or run `dvc push` where the other copies are.",
            )
            continue
        marks = Marks(scene, REMEDY)
        for mark in stored.values():
            known = Wanted(_object(place, mark["md5"]), None, mark["md5"], mark["size"])
            if (finding := marks.compare(known)) is not None:
                yield finding
        yield Holds(f"copies in the {name}", marks.held)
        yield from marks.skipped(f"copies in the {name}")
    for folder in (ws.batches, ws.holdouts):
        entries = {path: m["md5"] for path, m in stored.items() if path.is_relative_to(folder)}
        yield from _hints(scene, folder, entries, [p for p in places.values() if p.is_dir()])


def _object(place: Path, md5: str) -> Path:
    """Return where DVC keeps the bytes with this MD5."""
    return place / "files" / "md5" / md5[:2] / md5[2:]


def _hints(
    scene: Scene, folder: Path, entries: dict[Path, str], places: list[Path]
) -> Iterator[Found]:
    """Hold a hint, and the listings that it names, against what was stored."""
    hint = folder.with_name(f"{folder.name}.dvc")
    if not entries:
        return
    tracked = tracked_folders(hint)
    if tracked is None:
        what = "it can't be read" if hint.exists() else "it is missing"
        yield Finding(scene.relative(hint), what, HINT_REMEDY)
        return
    listed: dict[Path, str] = {}
    for each in tracked:
        for place in places:
            yield from _listing(scene, hint, each, _object(place, each.md5), listed)
    for path, md5 in entries.items():
        if listed.get(path) != md5:
            what = f"its entry for {scene.relative(path)} differs from what was stored"
            yield Finding(scene.relative(hint), what, HINT_REMEDY)


def _listing(
    scene: Scene, hint: Path, tracked: Tracked, listing: Path, listed: dict[Path, str]
) -> Iterator[Found]:
    """Read one listing into `listed`, where its bytes are those that its name says."""
    place = scene.relative(listing)
    if not listing.is_file():
        yield Finding(place, f"the listing of {tracked.name} is missing", HINT_REMEDY)
        return
    if file_md5(listing) != tracked.md5.removesuffix(".dir"):
        yield Finding(place, f"the listing of {tracked.name} was changed", HINT_REMEDY)
        return
    rows = json.loads(listing.read_bytes())
    if len(rows) != tracked.files:
        what = f"it says {tracked.files} files in {tracked.name}; the listing has {len(rows)}"
        yield Finding(scene.relative(hint), what, HINT_REMEDY)
    base = hint.parent / PurePosixPath(tracked.name)
    listed.update({base / row["relpath"]: row["md5"] for row in rows})
