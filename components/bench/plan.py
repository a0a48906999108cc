"""The rows of the table: which method under which strategy, on which streams.

Concept: every adapter method is measured under `replay` on the sentiment stream, and every strategy
with LoRA (or with what it needs) on all streams. A row that cannot be is listed with the refusal
that the product itself gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.bench.streams import NAMES

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `adapter`, `strategy`: sections of settings, each with its method.

    `epochs`: how many times as many as the others it learns for.
    """

    name: str
    adapter: Values
    strategy: Values = field(default_factory=lambda: {"method": "replay"})
    epochs: int = 1


def method(name: str, called: str = "", **values: Any) -> Row:
    """Return a row that shows a method."""
    return Row(called or name, {"method": name, **values})


def strategy(
    name: str, adapter: Values | None = None, called: str = "", epochs: int = 1, **values: Any
) -> Row:
    """Return a row that shows a strategy, with LoRA unless it needs another method."""
    return Row(called or name, adapter or {"method": "lora"}, {"method": name, **values}, epochs)


METHOD_ROWS = (
    method("lora"),
    method("lora", "lora, DoRA", variant="dora"),
    method("lora", "lora, rsLoRA", variant="rslora"),
    method("lora", "lora, PiSSA", variant="pissa"),
    method("lora", "lora, CorDA", variant="corda"),
    method("lora", "lora, EVA", variant="eva"),
    method("lora", "lora, all layers", layers="all"),
    method("adalora"),
    method("vera"),
    method("ia3"),
    method("shira"),
    method("osf"),
    method("prompt"),
    method("p_tuning"),
    method("prefix"),
    method("llama_adapter"),
    method("ln_tuning"),
    method("bitfit"),
    method("bottleneck", "bottleneck, Pfeiffer"),
    method("bottleneck", "bottleneck, Houlsby", placement="houlsby"),
    method("bottleneck", "bottleneck, AdapterDrop", layers=4, drop_layers=1),
    method("pafi"),
    method("hiwi", "hiwi, biases"),
    method("hiwi", "hiwi, weights", part="weight"),
    method("full"),
    method("head"),
)

HEAD, PROMPT = {"method": "head"}, {"method": "prompt"}

STRATEGY_ROWS = (
    strategy("sequential"),
    strategy("replay"),
    strategy("replay", called="replay, DER++", logits_weight=0.5),
    strategy("joint"),
    strategy("joint", called="joint, 4 x epochs", epochs=4),
    strategy("ewc"),
    strategy("lwf"),
    strategy("olora"),
    strategy("osf", {"method": "osf"}),
    strategy("experts", called="experts, LoRA"),
    strategy("experts", PROMPT, "experts, prompt"),
    strategy("experts", called="experts, LoRA, Mahalanobis", router="mahalanobis"),
    strategy("experts", PROMPT, "experts, prompt, Mahalanobis", router="mahalanobis"),
    strategy("pool", called="pool, LoRA"),
    strategy("pool", PROMPT, "pool, prompt"),
    strategy("merge", called="merge, average"),
    strategy("merge", called="merge, average from the base", start="base"),
    strategy("merge", called="merge, TIES", how="ties"),
    strategy("merge", called="merge, DARE", how="dare"),
    strategy("merge", called="merge, SLAO", how="slao"),
    strategy("task_vectors"),
    strategy("analytic", HEAD, "analytic"),
    strategy("analytic", HEAD, "analytic, 5,000 wide", size=5000),
    strategy("analytic", HEAD, "analytic, KLDA", features="fourier", solver="lda", wavelength=2.0),
    strategy("analytic", HEAD, "analytic, LDA", solver="lda"),
    strategy("analytic", HEAD, "analytic, contrastive", solver="contrastive"),
    strategy("analytic", called="analytic, adapted first", adapt="first"),
    strategy("hybrid"),
    strategy("hybrid", called="hybrid, LDA", solver="lda"),
    strategy("prototype", HEAD, "prototype, mean"),
    strategy("prototype", HEAD, "prototype, LDA", solver="lda"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run to make: a row on a stream with a seed. `table`: `methods` or `strategies`."""

    table: str
    row: Row
    stream: str
    seed: int


def cells(streams: tuple[str, ...] = NAMES, seeds: tuple[int, ...] = (0, 1, 2)) -> Iterator[Cell]:
    """Yield all runs, those first that most depends on: references, then seed by seed."""
    for seed in seeds:
        for stream in streams:
            for row in STRATEGY_ROWS:
                yield Cell("strategies", row, stream, seed)
        for row in METHOD_ROWS:
            if "sentiment" in streams:
                yield Cell("methods", row, "sentiment", seed)
