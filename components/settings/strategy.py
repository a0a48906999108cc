"""`strategy`: how earlier tasks are protected while a batch is learned, one section a strategy.

A strategy is one class here and one row in `StrategySettings`; `method` says which one stands
in `params.yaml`. Settings of the others beside it are named in a note and ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.settings.section import ByMethod, Count, Member


class StrategySection(Member):
    """What every strategy is told.

    `update_share`: the share of the way from the parent version to what the batch taught that
    is taken; less keeps more of the earlier tasks, 1 takes all.
    """

    update_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6


class ReplaySettings(StrategySection):
    """Remembered rows are trained on beside the new ones.

    `replay_ratio`: replayed rows per new training row; `memory_items`: how many references
    the memory keeps, balanced over (task, label); `distillation`: the share of what a settled row
    is taught (in a batch without new labels) that is the parent's answer to it, not its label.
    """

    method: Literal["replay"] = "replay"
    replay_ratio: Annotated[float, Field(ge=0.0, le=20.0)] = 2.0
    memory_items: Count = 2000
    distillation: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0


class NoneSettings(StrategySection):
    """No protection but `update_share`."""

    method: Literal["none"] = "none"


StrategySettings = Annotated[ReplaySettings | NoneSettings, ByMethod()]
