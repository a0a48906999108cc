"""The champion as served against the bare base with a linear head: what does adaptation cost?

Four ways to answer the same texts, in one process, one thread, in a new random order for each
text:

- served: what MLflow loads (components/registry/served_model.py), asked as its server asks it,
  through `pyfunc`, with the bundle's adapter.
- inside: the same without pyfunc's own checks of what comes in and goes out.
- same way, bare: as inside, the adapter taken out; what is left over is the adapter's own cost.
- bare: the base and a linear head by hand, as a person would write it: tokens padded to the
  longest text, mean pooling, one matrix.

Answers of one text, and of 32 at a time, are timed on film sentences of the demo's sources. A
ratio is taken for each text (or 32) by itself; shown are the medians of these, each with a
distribution-free 95 % interval. Times are CPU time: one thread and no waiting, so on an idle
machine they are the latency, and on a busy one they still are.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from components.settings import parse_settings
from tests.page import Check, Section
from tests.speed.corpora import base_folder, problem

BATCHES = {1: 400, 32: 40}
"""Texts asked at once -> how many such calls are timed for each way."""

WARM_UP_CALLS = 10
WANTED_RATIO = 1.05
WAYS = ("served", "inside", "same way, bare", "bare")
PAIRS = (("served", "bare"), ("inside", "bare"), ("inside", "same way, bare"))
CHECKED = (("served", "bare"), ("inside", "same way, bare"))
Way = Callable[[list[str]], list[str]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of paired ratios with a 95 % interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} … {self.high:.3f})"


def measure(folder: Path, plots: Path) -> Section:
    """Register nothing: write the model folder, load it as MLflow does, and ask."""
    import torch

    torch.set_num_threads(1)
    given = problem("sentiment", 0)
    ways = _ways(folder, given.train[:200])
    texts = [text for text, _ in given.test + given.own]
    _agree(ways, texts[:64])
    seconds = {size: _time(ways, texts, size, calls) for size, calls in BATCHES.items()}
    checks = [
        Check(
            f"{first} over {second}, {size} at a time",
            ratio(own[first], own[second]).median,
            "at most",
            WANTED_RATIO,
            "x",
        )
        for size, own in seconds.items()
        for first, second in CHECKED
    ]
    return Section(
        title="Prediction",
        checks=checks,
        text=_text(seconds),
        raw={
            str(size): {way: {"median_ms": 1e3 * median(all_)} for way, all_ in own.items()}
            for size, own in seconds.items()
        },
    )


def ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Return the median of first over second; the interval is between two order statistics.

    Source of the ranks: the sign test's normal limit, n/2 -+ 0.98 sqrt(n).
    """
    ratios = sorted(a / b for a, b in zip(first, second, strict=True))
    count, reach = len(ratios), 0.98 * len(ratios) ** 0.5
    low, high = max(0, int(count / 2 - reach)), min(count - 1, int(count / 2 + reach))
    return Ratio(median(ratios), ratios[low], ratios[high])


def _time(
    ways: dict[str, Way], texts: Sequence[str], size: int, calls: int
) -> dict[str, list[float]]:
    """Return the CPU seconds of each call; the nth call of every way is of the same texts."""
    draw = random.Random(size)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for call in range(-WARM_UP_CALLS, calls):
        asked = draw.sample(texts, size)
        for way in draw.sample(list(ways), len(ways)):
            started = time.process_time()
            ways[way](asked)
            if call >= 0:
                seconds[way].append(time.process_time() - started)
    return seconds


def _agree(ways: dict[str, Way], texts: list[str]) -> None:
    """The bare ways answer otherwise; served and inside have to be one model."""
    assert ways["served"](texts) == ways["inside"](texts)
    assert ways["same way, bare"](texts) == ways["bare"](texts)


def _ways(folder: Path, rows: Sequence[tuple[str, str]]) -> dict[str, Way]:
    """Train a champion on a few rows, write it as MLflow's model and load it."""
    from mlflow import pyfunc

    target = folder / "model"
    _write_champion(folder, target, rows)
    served = pyfunc.load_model(str(target))
    inside = served.unwrap_python_model()
    own = inside.served.version.classifier
    plain = replace(own, body=replace(own.body, model=_bare_model()))
    bare = replace(inside.served, version=replace(inside.served.version, classifier=plain))
    return {
        "served": lambda texts: served.predict(texts),
        "inside": lambda texts: inside.predict(None, texts),
        "same way, bare": lambda texts: bare.predict(texts),
        "bare": _by_hand(own.base.tokenizer, plain.body.model, own.head, own.labels),
    }


def _write_champion(folder: Path, target: Path, rows: Sequence[tuple[str, str]]) -> None:
    from components.registry.packaging import write_model
    from components.registry.submission import DataSource, Submission
    from tests.speed.update import Worker, as_items

    settings = parse_settings(
        {
            "model": {"base": str(base_folder())},
            "strategy": {"method": "replay"},
            "training": {"epochs": 1, "min_steps": 0, "threads": 1, "device": "cpu"},
        },
        "the benchmark",
    )
    worker = Worker(settings, folder)
    bundle, base = worker.learn(as_items(rows, "films")), worker.base
    submission = Submission(
        key="0" * 64,
        bundle=bundle.folder,
        bundle_digest=bundle.digest,
        batch="0" * 64,
        parent_version=None,
        headline="",
        base_name=base.name,
        base_digest=base.digest,
        base_folder=base.folder,
        dataset=DataSource("films", "0" * 64, "", len(rows)),
    )
    write_model(target, submission)


def _bare_model() -> Any:
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(base_folder(), dtype=torch.float32, local_files_only=True)
    return model.eval().requires_grad_(False)


def _by_hand(tokenizer: Any, model: Any, head: Any, labels: Sequence[str]) -> Way:
    import torch

    def answer(texts: list[str]) -> list[str]:
        tokens = tokenizer(
            texts, padding=True, truncation=True, max_length=128, return_tensors="pt"
        )
        mask = tokens["attention_mask"]
        with torch.inference_mode():
            hidden = model(input_ids=tokens["input_ids"], attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(1) / weights.sum(1)
            logits = torch.nn.functional.linear(pooled, head.weight, head.bias)
        return [labels[place] for place in logits.argmax(1).tolist()]

    return answer


def _text(seconds: dict[int, dict[str, list[float]]]) -> str:
    lines = [
        "*served*: asked through MLflow's pyfunc. *inside*: our served model alone. *same way,"
        " bare*: the same without the adapter. *bare*: base and linear head by hand, tokens"
        " padded to the longest text. CPU time of one thread, in a new random order for each"
        " call; ratios are paired by call, medians with distribution-free 95 % intervals.",
        "",
        "| at a time | calls | way | median ms | middle half |",
        "|---|---|---|---|---|",
    ]
    for size, own in seconds.items():
        for way, all_ in own.items():
            low, middle, high = (1e3 * each for each in quantiles(all_, n=4))
            lines.append(
                f"| {size} | {len(all_)} | {way} | {middle:.2f} | {low:.2f} … {high:.2f} |"
            )
    lines += ["", "| at a time | " + " | ".join(" over ".join(pair) for pair in PAIRS) + " |"]
    lines.append("|---|" + "---|" * len(PAIRS))
    for size, own in seconds.items():
        cells = [str(ratio(own[first], own[second])) for first, second in PAIRS]
        lines.append(f"| {size} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
