"""The settings of the checks beyond forgetting: `gate.checks`, one section a check.

Concept: each section has a policy and a margin or a limit; the fields are those of
`components.gate.policies`, and of what the pipeline needs to look (a file's path).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from components.digest import task_name
from components.settings.section import Name, Points, Policy, Section, TaskName


class GroupSettings(Section):
    """The items that share a label (`classes`) or a column's value (`slices`)."""

    policy: Policy = "note"
    margin_points: Points = 10.0
    min_items: Annotated[int, Field(ge=1, le=1_000_000)] = 30


class ClassSettings(GroupSettings):
    """The items that share a label: one that is shown to lose more than its margin rejects."""

    policy: Policy = "reject"


class FloorSettings(Section):
    """The least accuracy of a task, in percent: `{tickets: 80}`."""

    policy: Policy = "reject"
    percent: dict[TaskName, Points] = Field(default_factory=dict)

    @field_validator("percent", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        told = value.items() if isinstance(value, dict) else ()
        wrong = [key for key, percent in told if isinstance(percent, bool)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is true or false, not a number")
        names = [task_name(key) for key, _ in told if isinstance(key, str)]
        if len(set(names)) < len(names):
            raise ValueError(f"names a task twice: {names}")
        return value


class FlipSettings(Section):
    """The largest share of items that were right before and are wrong now."""

    policy: Policy = "note"
    limit_points: Points = 10.0


class CalibrationSettings(Section):
    """How much worse the Brier score and the expected calibration error may get."""

    policy: Policy = "note"
    brier_margin_points: Points = 3.0
    ece_margin_points: Points = 5.0


class BehaviourSettings(Section):
    """Inputs with the answers they must keep: a JSONL file, its path taken from the root."""

    policy: Policy = "reject"
    file: Name | None = None


class SizeSettings(Section):
    """The most that adapter and head may weigh, in millions of bytes."""

    policy: Policy = "reject"
    max_megabytes: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None


class LatencySettings(Section):
    """How many times the champion's time one answer may take; measuring costs some seconds."""

    policy: Policy = "ignore"
    max_ratio: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.5


class CheckSettings(Section):
    """The checks beyond forgetting, one section each; docs/checks.md says what they ask.

    `policy` `reject`: FAIL and MISSING reject, INCONCLUSIVE holds; `hold`: FAIL and MISSING
    hold, INCONCLUSIVE is noted; `note`: all is noted; `ignore`: the check is not made. For labels
    and slices under `reject`, INCONCLUSIVE holds where the observed loss is above the margin, else
    it is noted.
    """

    floors: FloorSettings = FloorSettings()
    classes: ClassSettings = ClassSettings()
    slices: GroupSettings = GroupSettings()
    negative_flips: FlipSettings = FlipSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    behaviour: BehaviourSettings = BehaviourSettings()
    size: SizeSettings = SizeSettings()
    latency: LatencySettings = LatencySettings()
