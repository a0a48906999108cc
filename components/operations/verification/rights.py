"""Who may write the root, and what kind of files are in it.

Concept: what everybody may write proves nothing tomorrow; a pipe or a device keeps whoever reads
it waiting, so nothing else is looked at while there is one.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from components.operations.verification.findings import Finding, Found, Holds
from components.operations.verification.scene import Scene


def check_rights(scene: Scene) -> Iterator[Found]:
    """Folders and files that any user of the machine may write; one finding for each folder."""
    held, open_to_all, first = 0, Counter[Path](), dict[Path, Path]()
    for path, mode in _places(scene):
        if stat.S_ISLNK(mode) or not mode & stat.S_IWOTH:
            held += 1
        else:
            open_to_all[path.parent] += 1
            first.setdefault(path.parent, path)
    for folder, count in open_to_all.items():
        path = first[folder]
        place = scene.relative(path) if path != scene.ws.root else str(path)
        more = f", and {count - 1} more in the same folder" if count > 1 else ""
        what = f"every user of this machine can write to it{more}"
        remedy = f"Run `chmod -R o-w {path if count == 1 else folder}`; check the other findings."
        yield Finding(place, what, remedy, "unsafe")
    yield Holds("paths not writable by everyone", held)


def check_kinds(scene: Scene) -> Iterator[Found]:
    """Pipes, sockets and devices among what is read."""
    for path, mode in _places(scene):
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            what = "a pipe, a socket or a device, not a file: reading it would hang"
            yield Finding(scene.relative(path), what, "Remove it, then verify again.")


def _places(scene: Scene) -> Iterator[tuple[Path, int]]:
    """Yield what decides and serves, with its mode."""
    ws = scene.ws
    # for whoever sends; DVC's own, of no weight
    apart = (ws.incoming, ws.pool_files, ws.root / ".dvc" / "tmp")
    base = ws.root / Path(ws.settings.model.base).expanduser()
    tops = [ws.root / "data", ws.root / ".dvc", ws.mlruns, *([base] if base.is_dir() else [])]
    yield from _modes([ws.root, ws.root / "params.yaml", *tops])
    while tops:
        try:
            inside = sorted(tops.pop().iterdir())
        except OSError:  # it went meanwhile, or is for nobody to list
            continue
        for path, mode in _modes(path for path in inside if path not in apart):
            yield path, mode
            tops += [path] if stat.S_ISDIR(mode) else []


def _modes(paths: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    for path in paths:
        try:
            yield path, path.lstat().st_mode
        except FileNotFoundError:  # it went meanwhile
            continue
