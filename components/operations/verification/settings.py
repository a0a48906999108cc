"""The settings: those that decide next, against those that were recorded last."""

from __future__ import annotations

from collections.abc import Iterator

from components.operations.verification.findings import Finding, Found, Holds, Skipped
from components.operations.verification.scene import Scene
from components.workspace.settings_history import by_upgrade, changed_fields, recorded_settings


def check_settings(scene: Scene) -> Iterator[Found]:
    """Fields of `params.yaml` that no command has recorded yet; a person may have changed them.

    A new default is none: it came with Ratchet. It is named, as it decides from now on.
    """
    ws, place = scene.ws, "params.yaml"
    seen = scene.told("settings.seen")
    if not seen:
        yield Skipped(place, "no command has recorded the settings yet")
        return
    changed = changed_fields(recorded_settings(ws, seen[-1]["settings"]), ws.settings)
    upgraded = by_upgrade(changed)
    for name, (before, now) in upgraded.items():
        yield Skipped(
            f"{place}: {name}",
            f"its default was {before!r} at the last command, and is {now!r} now; set it to keep "
            "the former one. The next command that writes records it",
        )
    for name, (before, now) in changed.items():
        if name in upgraded:
            continue
        yield Finding(
            f"{place}: {name}",
            f"it was {before!r} at the last command, and is {now!r} now",
            "If you changed it, run `ratchet reconcile` to record it; otherwise set it back.",
            "unrecorded",
        )
    if not changed:
        yield Holds("settings", 1)
