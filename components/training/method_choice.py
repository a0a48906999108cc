"""Which adapter method, and how large: tried on the first batch by successive halving.

Concept: every candidate learns from a few rows and is judged on others; the best third of them
gets three times as many rows, and so on. So most of the time goes into what may win. What turns out
too large, or too slow to answer, is left out after its first few rows.

Source: Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification; the pruner is Optuna's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.model.adapters import METHODS
from components.model.answering import predict
from components.model.encoding import pooled
from components.model.placement import Placement, placement_of
from components.model.progress import Progress, silent
from components.settings import Settings
from components.training.candidate import Lesson, learn

if TYPE_CHECKING:
    from components.items import Item
    from components.model.activation_cache import ActivationCache
    from components.model.base import Base
    from components.model.bundle import Bundle

CANDIDATES: tuple[dict[str, Any], ...] = (
    {"method": "lora"},
    {"method": "lora", "rank": 2, "alpha": 4},
    {"method": "lora", "rank": 32, "alpha": 64},
    {"method": "lora", "layers": "all", "target_modules": "all-linear"},
    {"method": "ln_tuning", "layers": "all"},
    {"method": "bitfit", "layers": "all"},
    {"method": "hiwi"},
    {"method": "pafi"},
    {"method": "ia3", "layers": "all"},
    {"method": "vera"},
    {"method": "bottleneck", "layers": "all"},
    {"method": "prefix"},
    {"method": "full", "layers": 2},
    {"method": "head"},
)
"""What is tried, the usual one first: of two that do equally well the first is taken."""

RUNGS = (150, 450, 1350)
"""Rows of the first batch that a candidate gets at each rung: half to learn, half to answer."""

MIN_ROWS = 60
"""Fewer can't tell methods apart."""

USUAL = CANDIDATES[0]
PASSES = 40
TOKENS = 24


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate. `said`: what became of it, for people; `accuracy`: of its last rung."""

    adapter: dict[str, Any]
    said: str
    accuracy: float | None
    rows: int = 0


def chosen_method(
    base: Base,
    items: Sequence[Item],
    settings: Settings,
    progress: Progress = silent,
    cache: ActivationCache | None = None,
) -> tuple[dict[str, Any], str]:
    """Return the section of the method to use, and why, in words for people.

    Args:
        base: the frozen model.
        items: training rows of the first batch.
        settings: of the root; `adapter` has the limits.
        progress: told (candidates done, candidates).
        cache: where the frozen layers' states are kept.
    """
    rows = sorted(items, key=lambda item: item.digest)
    if len(rows) < MIN_ROWS:
        chosen = _settings(settings, USUAL).adapter.model_dump()
        return chosen, f"the first batch has too few rows to decide ({len(rows)})"
    tried = _search(base, rows, settings, progress, cache)
    able = [each for each in tried if each.accuracy is not None]
    if not able:
        chosen = _settings(settings, {"method": "head"}).adapter.model_dump()
        return chosen, f"nothing else stays within the limits ({_told(tried)})"
    most = max(each.rows for each in able)
    best = max((each for each in able if each.rows == most), key=lambda each: each.accuracy or 0.0)
    why = f"the best of {len(tried)} after up to {most} rows of the first batch ({_told(tried)})"
    return _settings(settings, best.adapter).adapter.model_dump(), why


def _search(
    base: Base,
    rows: Sequence[Item],
    settings: Settings,
    progress: Progress,
    cache: ActivationCache | None,
) -> list[Tried]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limits: Any = settings.adapter
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=RUNGS[0], reduction_factor=3)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    began, found = time.process_time(), list[Tried]()
    for place, adapter in enumerate(CANDIDATES, start=1):
        spent = time.process_time() - began
        if spent > limits.max_seconds:
            found.append(Tried(adapter, f"not tried: {spent:.0f} s were spent", None))
            continue
        found.append(_try(base, rows, _settings(settings, adapter), limits, study.ask(), cache))
        progress(place, len(CANDIDATES))
    return found


def _try(
    base: Base,
    rows: Sequence[Item],
    settings: Settings,
    limits: Any,
    trial: Any,
    cache: ActivationCache | None,
) -> Tried:
    """Let a candidate climb as many rungs as the pruner and the limits allow."""
    own = settings.adapter
    adapter = {"method": own.method, **own.model_dump(exclude_defaults=True)}
    if reason := METHODS[own.method].refusal(base.model, own):
        return Tried(adapter, reason, None)
    accuracy, seen = None, 0
    for rung in RUNGS:
        seen = min(rung, len(rows))
        with TemporaryDirectory() as folder:
            bundle = learn(base, Path(folder), _lesson(rows[:seen:2]), settings, cache=cache)
            if rung == RUNGS[0] and (fault := _beyond(base, bundle, limits)):
                return Tried(adapter, fault, None)
            accuracy = _accuracy(base, bundle, rows[1:seen:2], settings, cache)
        trial.report(accuracy, rung)
        if seen == len(rows) or trial.should_prune():
            break
    return Tried(adapter, f"{accuracy:.1f} % after {seen} rows", accuracy, seen)


def _lesson(rows: Sequence[Item]) -> Lesson:
    return Lesson("trial", tuple(rows), None, {}, "", ())


def _beyond(base: Base, bundle: Bundle, limits: Any) -> str | None:
    """Say which limit a candidate is beyond; None where it is within all."""
    size = bundle.answering_bytes() / 1000
    if limits.max_kilobytes is not None and size > limits.max_kilobytes:
        return f"{size:,.0f} kB"
    method = METHODS[bundle.state["adapter"]["method"]]
    if method.in_place or method.merge:
        return None  # the base with other weights: its time is the base's
    ratio = _latency(base, bundle)
    return f"{ratio:.2f} times the base's time" if ratio > limits.max_latency_ratio else None


def _latency(base: Base, bundle: Bundle) -> float:
    """Return the time of one short answer's pass as a share of the base's, the two in turn."""
    import torch

    placement = Placement("cpu", "float32", bundle.max_tokens, 1, alone=True)
    method = METHODS[bundle.state["adapter"]["method"]]
    served = method.load(base.fork(placement), bundle.adapter, False).eval()
    plain, ids = base.fork(placement), torch.full((1, TOKENS), 7)
    taken: list[list[float]] = [[], []]
    with torch.inference_mode():
        for _ in range(PASSES):
            for side, model in zip(taken, (served, plain), strict=True):
                began = time.perf_counter()
                pooled(model, ids, torch.ones_like(ids))
                side.append(time.perf_counter() - began)
    return min(taken[0]) / min(taken[1])


def _accuracy(
    base: Base,
    bundle: Bundle,
    rows: Sequence[Item],
    settings: Settings,
    cache: ActivationCache | None,
) -> float:
    texts = [item.content for item in rows]
    given = predict(base, bundle, texts, placement_of(settings), cache).labels
    right = sum(label == item.label for label, item in zip(given, rows, strict=True))
    return 100 * right / len(rows)


def _settings(settings: Settings, adapter: dict[str, Any]) -> Settings:
    """Return the root's settings with another adapter, and a plain strategy for the trial."""
    values = settings.model_dump() | {"adapter": adapter, "strategy": {"method": "sequential"}}
    return Settings.model_validate(values)


def _told(tried: Sequence[Tried]) -> str:
    return "; ".join(f"{_named(each.adapter)}: {each.said}" for each in tried)


def _named(adapter: dict[str, Any]) -> str:
    own = [f"{name} {value}" for name, value in adapter.items() if name not in ("method",)]
    return " ".join([adapter["method"], *own])
