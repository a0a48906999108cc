"""`gate`: what a candidate must show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings.checks import CheckSettings
from components.settings.section import Probability, Section


class GateSettings(Section):
    """What a candidate must show. Margins are in points (0.01 of accuracy).

    `competition_points`: the share of known items that the new labels of one batch may take.
    `anchor_competition_points`: what all labels since the anchor may take before a person is asked.
    `approval`: `auto` promotes on PASS; `always` holds every PASS for a person. `approvals`: how
    many people must approve; `approval_days`: until how long after its examination; `own_batches`:
    whether people who have logged in may approve what they sent.
    `wait_days`: how long later batches wait for the labels of one that others passed twice.
    `undecided`: `probation` lets an undecided version come into force that was not seen to lose
    more than its margin, until `probation_labels` labels came or `probation_days` have passed.
    `horizon`: promotions over which an anchor may move, for the promise over a stream.
    `watch_alpha` is spent over all looks at one champion.
    """

    margin_points: Annotated[float, Field(gt=0.0, le=100.0)] = 3.0
    anchor_margin_points: Annotated[float, Field(gt=0.0, le=100.0)] = 6.0
    competition_points: Annotated[float, Field(gt=0.0, le=100.0)] = 10.0
    anchor_competition_points: Annotated[float, Field(gt=0.0, le=100.0)] = 30.0
    floor_points: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
    watch_alpha: Probability = 0.05
    horizon: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    approval: Literal["auto", "always"] = "auto"
    approvals: Annotated[int, Field(ge=1, le=100)] = 1
    approval_days: Annotated[float, Field(gt=0.0, le=3650.0)] = 30.0
    own_batches: Literal["refuse", "allow"] = "refuse"
    wait_days: Annotated[float, Field(ge=0.0, le=3650.0)] = 7.0
    undecided: Literal["hold", "probation"] = "hold"
    probation_labels: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    probation_days: Annotated[float, Field(gt=0.0, le=3650.0)] = 14.0
    checks: CheckSettings = CheckSettings()

    @model_validator(mode="after")
    def _consistent(self) -> GateSettings:
        self._ordered("margin_points", "anchor_margin_points")
        self._ordered("competition_points", "anchor_competition_points")
        return self
