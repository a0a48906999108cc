"""The settings: those that decide next, against those that were recorded last."""

from __future__ import annotations

from collections.abc import Iterator

from components.operations.verification.findings import Finding, Found, Holds, Skipped
from components.operations.verification.scene import Scene
from components.workspace.settings_history import changed_fields, recorded_settings


def check_settings(scene: Scene) -> Iterator[Found]:
    """Fields of `params.yaml` that no command has recorded yet; a person may have changed them."""
    ws, place = scene.ws, "params.yaml"
    seen = scene.told("settings.seen")
    if not seen:
        yield Skipped(place, "no command has recorded the settings yet")
        return
    changed = changed_fields(recorded_settings(ws, seen[-1]["settings"]), ws.settings)
    for name, (before, now) in changed.items():
        yield Finding(
            f"{place}: {name}",
            f"it was {before!r} at the last command, and is {now!r} now",
            "If you changed it, run `ratchet reconcile` to record it; otherwise set it back.",
            "unrecorded",
        )
    if not changed:
        yield Holds("settings", 1)
