"""`strategy`: how earlier tasks are protected while a batch is learned, one section a strategy.

A strategy is one class here and one row in `StrategySettings`; `method` says which one stands
in `params.yaml`. Settings of the others beside it are named in a note and ignored.
docs/strategies.md says what each strategy is.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.settings.section import ByMethod, Count, Member, Positive, Share

Weight = Annotated[float, Field(ge=0.0, le=1e9, allow_inf_nan=False)]
Above = Annotated[float, Field(gt=0.0, le=1e9, allow_inf_nan=False)]
Ridge = Literal["auto"] | Annotated[float, Field(ge=1e-6, le=1e9, allow_inf_nan=False)]
"""Below a millionth of the diagonal the sums can't be solved reliably."""
PositiveShare = Annotated[float, Field(gt=0.0, le=1.0)]


class StrategySection(Member):
    """What every strategy is told.

    `update_share`: the share of the way from the parent version to what the batch taught that
    is taken; less keeps more of the earlier tasks, 1 takes all.
    """

    update_share: PositiveShare = 1.0


class RememberingSection(StrategySection):
    """What strategies are told that go through remembered rows.

    `replay_ratio`: replayed rows per new training row; `memory_items`: how many references
    the memory keeps, balanced over (task, label).
    """

    update_share: PositiveShare = 0.6
    replay_ratio: Annotated[float, Field(ge=0.0, le=20.0)] = 2.0
    memory_items: Count = 2000


class ReplaySettings(RememberingSection):
    """Remembered rows are trained on beside the new ones.

    `distillation`: the share of what a settled row is taught (in a batch without new labels) that
    is the parent's answer to it, not its label. `logits_weight`: how strongly a remembered row's
    logits are drawn to those that it had when it was learned (DER++); 0 stores none.
    """

    method: Literal["replay"] = "replay"
    distillation: Share = 1.0
    logits_weight: Weight = 0.0


class SequentialSettings(StrategySection):
    """No protection: the naive reference."""

    method: Literal["sequential"] = "sequential"


class JointSettings(StrategySection):
    """Trains from the base on all that was ever seen: the upper reference, and the dearest."""

    method: Literal["joint"] = "joint"


class EwcSettings(StrategySection):
    """EWC: weights that mattered before are held where they were.

    `strength`: of the penalty; `decay`: what an earlier batch's importance counts after each later
    one; `fisher_rows`: rows of a batch that importance is estimated on.
    """

    method: Literal["ewc"] = "ewc"
    strength: Weight = 1000.0
    decay: Share = 0.9
    fisher_rows: Positive = 128


class LwfSettings(StrategySection):
    """LwF: on the new rows the parent's answers are kept among the labels that it knew.

    `strength`: of that term; `temperature`: by which both sides' logits are divided.
    """

    method: Literal["lwf"] = "lwf"
    strength: Weight = 1.0
    temperature: Above = 2.0


class OloraSettings(StrategySection):
    """O-LoRA: each new task or label set gets ranks of its own, across all earlier ones.

    `strength`: of the penalty on what two of them share; `max_subspaces`: more are not opened, and
    the last one learns on. (`peft`'s start called "olora" is something else.)
    """

    method: Literal["olora"] = "olora"
    strength: Weight = 0.5
    max_subspaces: Positive = 16


class OsfSettings(StrategySection):
    """OSF: the adapter method of that name protects what was learned by itself."""

    method: Literal["osf"] = "osf"


class ExpertsSettings(StrategySection):
    """An adapter and a head for each new task or label set; a text's own is found by its features.

    `router`: by the nearest of `clusters` centroids of each expert (`nearest`), or by the class
    means under one covariance (`mahalanobis`).
    """

    method: Literal["experts"] = "experts"
    router: Literal["nearest", "mahalanobis"] = "nearest"
    clusters: Positive = 5


class PoolSettings(StrategySection):
    """One adapter in modules with keys; a text uses the `top` modules with the nearest keys.

    `modules`: into so many the adapter's rank, or its tokens, are divided. `key_strength`: how
    strongly keys are drawn to the texts that choose them.
    """

    method: Literal["pool"] = "pool"
    modules: Positive = 4
    top: Positive = 2
    key_strength: Weight = 0.5


class MergeSettings(StrategySection):
    """Each batch is learned alone, and the result is merged with the parent.

    `start`: from the champion or from the base. `how`: the mean over all batches so far
    (`average`), the same of what TIES or DARE leave of both, or `slao`: LoRA's B moves by a share
    that falls with the root of the number of batches, from an orthogonal A. `density`: what TIES
    and DARE keep.
    """

    method: Literal["merge"] = "merge"
    start: Literal["champion", "base"] = "champion"
    how: Literal["average", "ties", "dare", "slao"] = "average"
    density: PositiveShare = 0.5


class TaskVectorsSettings(RememberingSection):
    """Each batch is learned from the base, what it moved is added up, and the head learned anew.

    `scale`: by which what a batch moved is multiplied.
    """

    method: Literal["task_vectors"] = "task_vectors"
    update_share: PositiveShare = 1.0
    scale: Above = 0.5


class SolvedSection(StrategySection):
    """What strategies are told whose head is solved for, not learned.

    `features`: of the head: the model's own (`plain`), a random projection (`projected`) or random
    waves (`fourier`) of them, `size` in number, waves as long as `wavelength` has it. The model's
    own are the means over a text's tokens in so many `layers`, evenly from the middle one to the
    last. `solver`: `ridge` regression, `lda` with a shared covariance, or `contrastive`: LDA behind
    a projection that pushes the labels apart. `ridge`: added to the diagonal, as a share of its
    mean; `auto` takes what cross-validation asks for, each time. `balance`: a label's rows weigh as
    much as the power 1 - `balance` of their number: 0 as they came, 1 all labels alike, which
    `contrastive` always has them. In between, a label that later batches lack is forgotten less,
    and little is lost where they have it.
    """

    features: Literal["plain", "projected", "fourier"] = "projected"
    layers: Annotated[int, Field(ge=1, le=4)] = 4
    solver: Literal["ridge", "lda", "contrastive"] = "ridge"
    size: Annotated[int, Field(ge=1, le=20_000)] = 2000
    ridge: Ridge = "auto"
    balance: Share = 0.5
    wavelength: Annotated[float, Field(ge=1e-3, le=1e9, allow_inf_nan=False)] = 1.0


class AnalyticSettings(SolvedSection):
    """The head is solved from sums over all rows ever seen; none of them is kept.

    `adapt`: the adapter learns from the first batch and stays so (`first`), or not at all.
    """

    method: Literal["analytic"] = "analytic"
    adapt: Literal["never", "first"] = "never"


class HybridSettings(SolvedSection):
    """The head is solved at once; the adapter learns only where the head alone is not enough.

    It is enough at `enough_percent` of the batch's rows, each answered without itself, and until
    there are `growth` times as many rows at hand as when the adapter learned last; and not where
    the gate then finds that something was lost. Nor does it learn after versions of `analytic`,
    which remember no row: then the head goes on from their sums alone.
    Remembered rows serve to learn the adapter, and to solve the head again on what it then makes
    of texts.
    """

    method: Literal["hybrid"] = "hybrid"
    update_share: PositiveShare = 0.6
    replay_ratio: Annotated[float, Field(ge=0.0, le=20.0)] = 2.0
    memory_items: Count = 2000
    enough_percent: Annotated[float, Field(ge=0.0, le=100.0)] = 90.0
    growth: Annotated[float, Field(ge=1.0, le=1e9, allow_inf_nan=False)] = 8.0


class PrototypeSettings(StrategySection):
    """The nearest label mean: `mean` by angle, `lda` under one covariance (`balance`d priors)."""

    method: Literal["prototype"] = "prototype"
    solver: Literal["mean", "lda"] = "mean"
    ridge: Ridge = "auto"
    balance: Share = 1.0


StrategySettings = Annotated[
    HybridSettings
    | ReplaySettings
    | SequentialSettings
    | JointSettings
    | EwcSettings
    | LwfSettings
    | OloraSettings
    | OsfSettings
    | ExpertsSettings
    | PoolSettings
    | MergeSettings
    | TaskVectorsSettings
    | AnalyticSettings
    | PrototypeSettings,
    ByMethod(),
]
