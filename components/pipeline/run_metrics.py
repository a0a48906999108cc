"""The numbers that a version's run shows: read off its evidence, its story and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.pipeline.accuracy_history import Story
from components.pipeline.sittings import accuracy


def metrics_of(evidence: Mapping[str, Any], story: Story, bundle: Path) -> dict[str, float | None]:
    """Return metric -> value: the stream's measures, a few an exam, and the bundle's bytes."""
    found = dict(story.measures)
    for exam in evidence["exams"]:
        found[f"accuracy/{exam['exam']}"] = accuracy(exam["candidate"])
    for verdict in evidence["decision"]["verdicts"]:
        if verdict["check"] == "forgetting":
            found[f"loss_points/{verdict['exam']}"] = verdict["effect_points"]
            found[f"loss_points_upper/{verdict['exam']}"] = verdict["upper_points"]
        elif verdict["check"] in ("negative_flips", "calibration"):
            what = verdict.get("group", "").replace(" ", "_") or verdict["check"]
            found[f"{what}_points/{verdict['exam']}"] = verdict["effect_points"]
    found["bundle_bytes"] = sum(f.stat().st_size for f in bundle.rglob("*") if f.is_file())
    return found
