"""`training`: the loop."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.settings.section import Count, Positive, Section, Share


class TrainingSettings(Section):
    """The loop.

    `threads` fixes the order of floating-point sums: law 7 needs it. `precision: auto` is
    decided by a probe on the first batch, and recorded. `patience`: epochs without gain on a
    tenth of the rows after which training ends early, at the best epoch's weights; 0 runs
    every epoch on every row. `min_steps`: a batch whose `epochs` have fewer optimiser steps
    runs more of them. The learning rate rises for `warmup_steps`, at most half of the steps.
    `averaged_share`: the weights are the mean over that share of the steps, the last ones
    (not with `patience`). `pool_below`: held batches with fewer training rows are trained
    together, until there are so many; 0: never.
    """

    epochs: Positive = 3
    min_steps: Count = 120
    pool_below: Count = 200
    batch_size: Positive = 32
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 2e-3
    head_learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    warmup_steps: Count = 60
    patience: Count = 0
    averaged_share: Share = 0.8
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] = 2
    device: Literal["auto", "cpu", "cuda"] = "auto"
