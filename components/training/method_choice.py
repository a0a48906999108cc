"""Which adapter method, and how large: tried on the first batch by successive halving.

Concept: every candidate learns from a few rows and is judged on others; the best third of them
gets three times as many rows, and so on. So most of the time goes into what may win. What can't be
used, is too large or too slow to answer is left out before it learns anything.

Promise: what is chosen can be used with the root's base, `model.max_tokens` and strategy, and the
first version of the batch stays within the limits; else the batch is refused in words.

Source: Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification; the pruner is Optuna's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError
from components.model.adapters import METHODS
from components.model.answering import predict
from components.model.encoding import pooled
from components.model.placement import Placement, placement_of
from components.model.progress import Progress, silent
from components.settings import Settings
from components.settings.section import member, sections_of
from components.training.candidate import Lesson, draft, learn, misfit

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

PASSES = 40
TOKENS = 24


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that a candidate is over, by the name of its setting, and the candidate's figure."""

    limit: str
    figure: float

    def __str__(self) -> str:
        """Return the figure in words for people."""
        if self.limit == "max_kilobytes":
            return f"{self.figure:,.1f} kB"
        return f"{self.figure:.2f} times the base's time"


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate, and what became of it.

    `said`: the same for people. `accuracy`: of its last rung, None where it was not judged; `rows`:
    of that rung. `excess`: the limit that it is over. `late`: there was no time left for it.
    """

    adapter: dict[str, Any]
    said: str
    accuracy: float | None = None
    rows: int = 0
    excess: Excess | None = None
    late: bool = False


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

    Raises:
        ConfigError: no candidate can be used, or none stays within the limits.
    """
    rows = sorted(items, key=lambda item: item.digest)
    if len(rows) < MIN_ROWS:
        return _first_able(base, rows, settings, cache)
    tried = _search(base, rows, settings, progress, cache)
    judged = [each for each in tried if each.accuracy is not None]
    if not judged:
        raise _none_left(base, settings, tried)
    most = max(each.rows for each in judged)
    best = max((each for each in judged if each.rows == most), key=lambda each: each.accuracy or 0)
    late = sum(each.late for each in tried)
    among = "the only one" if len(judged) == 1 else f"the best of {len(judged)}"
    why = (
        f"{among} judged, on up to {most} rows of the first batch; of {len(tried)} candidates,"
        f" {len(tried) - len(judged) - late} left out and {late} not tried ({_told(tried)})"
    )
    return _section(settings, best.adapter), why


def _first_able(
    base: Base, rows: Sequence[Item], settings: Settings, cache: ActivationCache | None
) -> tuple[dict[str, Any], str]:
    """Return the first candidate that can be used within the limits, and why: none is judged."""
    why, left_out = f"the first batch has too few rows to decide ({len(rows)})", list[Tried]()
    for adapter in CANDIDATES:
        if fault := _fault(base, rows, adapter, settings, cache):
            left_out.append(fault)
            continue
        if left_out:
            why += f"; the first one that can be used within the limits ({_told(left_out)})"
        return _section(settings, adapter), why
    raise _none_left(base, settings, left_out)


def _search(
    base: Base,
    rows: Sequence[Item],
    settings: Settings,
    progress: Progress,
    cache: ActivationCache | None,
) -> list[Tried]:
    """Try the candidates in turn until the time is over, and in any case until one is judged."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limits: Any = settings.adapter
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=RUNGS[0], reduction_factor=3)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    began, found = time.process_time(), list[Tried]()
    for place, adapter in enumerate(CANDIDATES, start=1):
        spent = time.process_time() - began
        if spent > limits.max_seconds and any(each.accuracy is not None for each in found):
            found.append(Tried(adapter, f"not tried: {spent:.0f} s were spent", late=True))
            continue
        fault = _fault(base, rows, adapter, settings, cache)
        found.append(fault or _judged(base, rows, adapter, settings, study.ask(), cache))
        progress(place, len(CANDIDATES))
    return found


def _judged(
    base: Base,
    rows: Sequence[Item],
    adapter: dict[str, Any],
    settings: Settings,
    trial: Any,
    cache: ActivationCache | None,
) -> Tried:
    """Let a candidate climb as many rungs as the pruner allows."""
    plain = _with(settings, adapter, strategy={"method": "sequential"})
    accuracy, seen = 0.0, 0
    for rung in RUNGS:
        seen = min(rung, len(rows))
        with TemporaryDirectory() as folder:
            bundle = learn(base, Path(folder), _lesson(rows[:seen:2]), plain, cache=cache)
            accuracy = _accuracy(base, bundle, rows[1:seen:2], plain, cache)
        trial.report(accuracy, rung)
        if seen == len(rows) or trial.should_prune():
            break
    return Tried(adapter, f"{accuracy:.1f} % after {seen} rows", accuracy, seen)


def _fault(
    base: Base,
    rows: Sequence[Item],
    adapter: dict[str, Any],
    settings: Settings,
    cache: ActivationCache | None,
) -> Tried | None:
    """Say why a candidate is left out, under the root's own strategy; None where it is not."""
    own = _with(settings, adapter)
    if reason := misfit(base, own):
        return Tried(adapter, reason)
    if excess := _excess(base, rows, own, settings.adapter, cache):
        return Tried(adapter, str(excess), excess=excess)
    return None


def _lesson(rows: Sequence[Item]) -> Lesson:
    return Lesson("trial", tuple(rows), None, {}, "", ())


def _excess(
    base: Base,
    rows: Sequence[Item],
    settings: Settings,
    limits: Any,
    cache: ActivationCache | None,
) -> Excess | None:
    """Say which limit a candidate's first version would be over; None where it is within all."""
    most, method = limits.max_kilobytes, METHODS[settings.adapter.method]
    as_quick = method.in_place or method.merge  # then it is the base with other weights
    if most is None and as_quick:
        return None
    with TemporaryDirectory() as folder:
        size = draft(base, Path(folder), _lesson(_of_all_labels(rows)), settings, cache) / 1000
        if most is not None and size > most:
            return Excess("max_kilobytes", size)
        ratio = 1.0 if as_quick else _latency(base, settings, Path(folder) / "adapter")
    over = ratio > limits.max_latency_ratio
    return Excess("max_latency_ratio", ratio) if over else None


def _of_all_labels(rows: Sequence[Item]) -> list[Item]:
    """Return the rows of the first rung, and one of each task's labels."""
    return [*rows[: RUNGS[0]], *{(item.task, item.label): item for item in rows}.values()]


def _latency(base: Base, settings: Settings, adapter: Path) -> float:
    """Return the time of one short answer's pass as a share of the base's, the two in turn."""
    import torch

    placement = Placement("cpu", "float32", settings.model.max_tokens, 1, alone=True)
    method = METHODS[settings.adapter.method]
    served = method.load(base.fork(placement), adapter, False).eval()
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


def _with(settings: Settings, adapter: dict[str, Any], **others: Any) -> Settings:
    """Return the root's settings with another adapter, and other sections as they are given."""
    return Settings.model_validate(settings.model_dump() | {"adapter": adapter} | others)


def _section(settings: Settings, adapter: dict[str, Any]) -> dict[str, Any]:
    """Return a candidate as a whole section of the settings."""
    return _with(settings, adapter).adapter.model_dump()


def _none_left(base: Base, settings: Settings, tried: Sequence[Tried]) -> ConfigError:
    """Return the error that says why no candidate is left, and what to change."""
    over = [(each.excess, each) for each in tried if each.excess]
    if not over:
        return ConfigError(
            f"Nothing that `adapter.method: auto` tries can be used with {base.name} and"
            f" `strategy.method` {settings.strategy.method} ({_told(tried)}).",
            _methods_to_name(base, settings),
        )
    raised = " or ".join(
        _to_raise(limit, over) for limit in sorted({excess.limit for excess, _ in over})
    )
    return ConfigError(
        f"Nothing that `adapter.method: auto` tries stays within the limits ({_told(tried)}).",
        f"Raise {raised}, or name a method.",
    )


def _to_raise(limit: str, over: Sequence[tuple[Excess, Tried]]) -> str:
    """Say how far a limit must be raised for the candidate that is least over it."""
    excess, least = min(
        (pair for pair in over if pair[0].limit == limit), key=lambda pair: pair[0].figure
    )
    what = "smallest" if limit == "max_kilobytes" else "quickest"
    own = f"the {what}, {_named(least.adapter)}: {excess}"
    return f"`adapter.{limit}` to {_bound(excess)} or more ({own})"


def _bound(excess: Excess) -> str:
    """Return the lowest limit, in round numbers, that a candidate would be within."""
    if excess.limit == "max_kilobytes":
        return str(math.ceil(excess.figure))
    return f"{math.ceil(100 * excess.figure) / 100:.2f}"


def _methods_to_name(base: Base, settings: Settings) -> str:
    """Say which methods can be used though none of them is tried."""
    kinds = sections_of(Settings, "adapter")
    own = {name: {"adapter": member(kinds, name)()} for name in METHODS}
    fitting = [n for n, each in own.items() if not misfit(base, settings.model_copy(update=each))]
    if not fitting:
        return "Set another `strategy.method`, or change its settings."
    return f"Name the method: set `adapter.method` to one of: {', '.join(fitting)}."


def _told(tried: Sequence[Tried]) -> str:
    return "; ".join(f"{_named(each.adapter)}: {each.said}" for each in tried)


def _named(adapter: dict[str, Any]) -> str:
    own = [f"{name} {value}" for name, value in adapter.items() if name not in ("method",)]
    return " ".join([adapter["method"], *own])
