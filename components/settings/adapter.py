"""`adapter`: the way to adapt the frozen base, one section a method.

A method is one class here and one row in `AdapterSettings`; `method` says which one stands in
`params.yaml`. Settings of the others beside it are named in a note and ignored. docs/methods.md
says what each method is.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.settings.section import ByMethod, Count, Member, Name, Positive

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
RateFactor = Annotated[float, Field(gt=0.0, le=1000.0)]


class AdapterSection(Member):
    """The input of every method.

    `rate_factor`: the adapter learns with `training.learning_rate` times this; its default is the
    method's own, since a prompt needs steps a hundred times as wide as a whole model.
    """

    rate_factor: RateFactor = 1.0


class LayeredSection(AdapterSection):
    """The input of methods that adapt whole layers.

    `layers` adapts that many top layers, `all` (or more than there are) every one; `auto`
    tries on the first batch how many are worth their seconds, and records it.
    """

    layers: Literal["all", "auto"] | Positive = 3


class TargetedSection(LayeredSection):
    """The input of methods that adapt linear modules.

    `target_modules`: `feed-forward` takes the widening linear modules of the feed-forward
    blocks, `all-linear` every linear module, a list those whose names end so.
    """

    target_modules: (
        Literal["feed-forward", "all-linear"] | Annotated[list[Name], Field(min_length=1)]
    ) = "feed-forward"


class LoraSettings(TargetedSection):
    """LoRA: a low-rank update beside each adapted module.

    `variant`: `dora` trains size and direction apart, `rslora` scales by the root of the rank;
    `pissa`, `corda` and `eva` start elsewhere: at the weight's largest components, at those that
    the first batch needs least, along the first batch's activations.
    """

    method: Literal["lora"] = "lora"
    rank: Positive = 8
    alpha: Positive = 16
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    variant: Literal["plain", "dora", "rslora", "pissa", "corda", "eva"] = "plain"


class AdaloraSettings(TargetedSection):
    """AdaLoRA: LoRA whose ranks are dealt out where they matter; `rank` is the mean one."""

    method: Literal["adalora"] = "adalora"
    rate_factor: RateFactor = 5.0
    rank: Positive = 8
    alpha: Positive = 16


class VeraSettings(TargetedSection):
    """VeRA: LoRA on random matrices that all modules share; only two vectors are learned."""

    method: Literal["vera"] = "vera"
    rate_factor: RateFactor = 5.0
    rank: Positive = 256


class Ia3Settings(TargetedSection):
    """(IA)3: a factor for each number that a module gives (or takes, where it narrows)."""

    method: Literal["ia3"] = "ia3"
    rate_factor: RateFactor = 5.0
    target_modules: (
        Literal["feed-forward", "all-linear"] | Annotated[list[Name], Field(min_length=1)]
    ) = "all-linear"


class ShiraSettings(TargetedSection):
    """SHiRA: some randomly drawn weights, as many as LoRA of this rank would have."""

    method: Literal["shira"] = "shira"
    rank: Positive = 8


class OsfSettings(TargetedSection):
    """OSF: only the small singular directions of a weight move, and none of the large ones.

    `kept_share`: of the singular directions, the large ones, that stay as they are.
    """

    method: Literal["osf"] = "osf"
    rate_factor: RateFactor = 0.05
    kept_share: Fraction = 0.5


class PromptSettings(AdapterSection):
    """Prompt tuning: learned tokens before the text."""

    method: Literal["prompt"] = "prompt"
    rate_factor: RateFactor = 10.0
    tokens: Positive = 20


class PTuningSettings(AdapterSection):
    """P-tuning: learned tokens before the text, made by a small network that is thrown away."""

    method: Literal["p_tuning"] = "p_tuning"
    tokens: Positive = 20
    hidden_size: Positive = 128


class PrefixSettings(AdapterSection):
    """Prefix tuning: learned keys and values before the text, in every layer."""

    method: Literal["prefix"] = "prefix"
    rate_factor: RateFactor = 5.0
    tokens: Positive = 20


class LlamaAdapterSettings(LayeredSection):
    """LLaMA-Adapter: learned tokens in the attention of the top layers, gated from zero."""

    method: Literal["llama_adapter"] = "llama_adapter"
    rate_factor: RateFactor = 5.0
    tokens: Positive = 10


class LnTuningSettings(LayeredSection):
    """LN tuning: the layers' norms alone."""

    method: Literal["ln_tuning"] = "ln_tuning"


class BitfitSettings(LayeredSection):
    """BitFit: the layers' biases alone."""

    method: Literal["bitfit"] = "bitfit"


class BottleneckSettings(LayeredSection):
    """Bottleneck adapters: a small network behind a block, added to what it gives.

    `placement`: behind attention and feed-forward block (`houlsby`) or the latter (`pfeiffer`).
    `drop_layers`: answering leaves out so many of the lowest adapters (AdapterDrop).
    """

    method: Literal["bottleneck"] = "bottleneck"
    placement: Literal["houlsby", "pfeiffer"] = "pfeiffer"
    size: Positive = 32
    drop_layers: Count = 0


class PafiSettings(LayeredSection):
    """PaFi: the smallest weights of the linear modules, chosen over all of them, without data.

    `share`: how many of these weights are trained.
    """

    method: Literal["pafi"] = "pafi"
    rate_factor: RateFactor = 0.25
    layers: Literal["all", "auto"] | Positive = "all"
    share: Fraction = 0.005


class HiwiSettings(LayeredSection):
    """HiWi: a small network reads frozen feed-forward biases or weights and is thrown away.

    What is stored is the changed biases (or weights), however large the network was. `part`: which
    of them; `size`: the network's width.
    """

    method: Literal["hiwi"] = "hiwi"
    layers: Literal["all", "auto"] | Positive = "all"
    part: Literal["bias", "weight"] = "bias"
    size: Positive = 64


class FullSettings(LayeredSection):
    """Full fine-tuning: every weight of the adapted layers; with `all`, of the whole model."""

    method: Literal["full"] = "full"
    rate_factor: RateFactor = 0.025
    layers: Literal["all", "auto"] | Positive = "all"


class HeadSettings(AdapterSection):
    """Nothing but the head: the base stays as it is."""

    method: Literal["head"] = "head"


class AutoSettings(AdapterSection):
    """Method and size are found on the first batch, by successive halving, and recorded.

    Each candidate is tried under `sequential`, whatever `strategy.method` is: there every adapter
    learns, and at once, while a strategy with a solved head may leave it as it is. What the base,
    `model.max_tokens` or the root's own strategy does not allow is left out. Of what stays within
    the limits the most accurate is taken: `max_kilobytes` that the first version takes to answer
    under the root's own strategy, with its head (a solved one is often larger than the adapter) and
    all labels of the first batch; `max_latency_ratio`, the time of the adapted model as a share of
    the base's; `max_seconds` of CPU time for the search, but one candidate is always judged. From a
    first batch of fewer than 60 rows the first candidate within the limits is taken, and none is
    tried. Where none can be used, or all are beyond a limit, the batch is refused.
    """

    method: Literal["auto"] = "auto"
    max_kilobytes: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    max_latency_ratio: Annotated[float, Field(gt=1.0, le=100.0)] = 1.1
    max_seconds: Annotated[float, Field(gt=0.0, le=1e6)] = 300.0


AdapterSettings = Annotated[
    LoraSettings
    | AdaloraSettings
    | VeraSettings
    | Ia3Settings
    | ShiraSettings
    | OsfSettings
    | PromptSettings
    | PTuningSettings
    | PrefixSettings
    | LlamaAdapterSettings
    | LnTuningSettings
    | BitfitSettings
    | BottleneckSettings
    | PafiSettings
    | HiwiSettings
    | FullSettings
    | HeadSettings
    | AutoSettings,
    ByMethod(),
]
