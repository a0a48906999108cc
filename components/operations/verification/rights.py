"""Who may write the root: a folder or file that everybody may write proves nothing tomorrow."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from components.operations.verification.findings import Finding, Found, Holds
from components.operations.verification.scene import Scene


def check_rights(scene: Scene) -> Iterator[Found]:
    """Folders and files near the root's top that any user of the machine may write."""
    held = 0
    for path in _places(scene):
        mode = _mode(path)
        if mode is None or not mode & stat.S_IWOTH:
            held += 1
            continue
        place = scene.relative(path) if path != scene.ws.root else str(path)
        remedy = f"Run `chmod o-w {path}`, and look at what else is found."
        yield Finding(place, "every user of this machine may write it", remedy, "unsafe")
    yield Holds("paths that not everybody may write", held)


def _mode(path: Path) -> int | None:
    """Return the rights of a file or folder; None where it went meanwhile, or is a link."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    return None if stat.S_ISLNK(mode) else mode


def _places(scene: Scene) -> Iterator[Path]:
    """Yield what decides and serves, down to two levels; `data/incoming` is for whoever sends."""
    ws = scene.ws
    folders = [ws.root / "data", ws.root / ".dvc", ws.mlruns]
    yield from (ws.root, ws.root / "params.yaml")
    for folder in folders:
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        found = [folder, *inside] if folder.exists() else []
        yield from (path for path in found if path != ws.incoming)
