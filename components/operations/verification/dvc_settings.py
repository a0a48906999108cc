"""DVC's settings files: they must lead to the places that the root's own settings name."""

from __future__ import annotations

from collections.abc import Iterator

from components.data.dvc_settings import FILES, differences
from components.data.versioning import REMOTE
from components.errors import ConfigError
from components.operations.verification.findings import Finding, Found
from components.operations.verification.scene import Scene
from components.workspace.stored_files import settings_are_there


def check_dvc_settings(scene: Scene) -> Iterator[Found]:
    """Each of the two files: one that DVC refuses, or that leads elsewhere."""
    ws = scene.ws
    if not settings_are_there(ws) and scene.told("store.done", "holdout.done", "relabel.done"):
        remedy = "`ratchet reconcile` rewrites it."
        yield Finding(
            ".dvc/config", "it is missing, and `dvc` finds no repository", remedy, "unsafe"
        )
    for path in (ws.root / ".dvc" / name for name in FILES):
        if not path.exists():
            continue
        place = scene.relative(path)
        try:
            found = list(differences(path, REMOTE, ws.remote))
        except ConfigError as error:
            yield Finding(place, error.message.rstrip("."), error.remedy)
            continue
        for each in found:
            what = f"{each.field} is {each.found}, but Ratchet uses {each.wanted}"
            remedy = "Correct it, or move the file away: Ratchet writes a new one."
            yield Finding(place, what, remedy, "unsafe")
