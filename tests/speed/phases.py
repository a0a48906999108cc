"""Where the time of an update goes: achieved matrix FLOP/s of each phase against `torch.mm`.

The phases of one update on 1,500 film sentences: the frozen layers (once per text), a step of the
loop (forward, backward, AdamW) from cached activations, and an exam from cached activations. FLOP
are those of matrix products, counted by PyTorch; the peak is `torch.mm` on the phase's own
largest shape and number format. The second table splits each phase's time by kind of work.

    make bench-speed ARGS=phases
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from components.model.activation_cache import ActivationCache
from components.model.base import load_base
from components.model.determinism import reproducible
from components.model.frozen import Frozen
from components.model.placement import placement_of
from components.settings import Settings, parse_settings
from components.training import candidate
from components.training.candidate import Lesson
from components.training.loop import bucketed
from components.training.precision_choice import probe
from components.training.strategies import STRATEGIES
from tests.page import Check, Section
from tests.speed.corpora import base_folder, problem
from tests.speed.update import as_items

TEXTS, STEPS, ROUNDS = 1500, 40, 5
KINDS = {
    "matrix products": ("mm", "addmm", "addmm_", "bmm", "baddbmm"),
    "attention's softmax": ("softmax", "_softmax", "_softmax_backward_data"),
    "activation functions and norms": ("gelu", "layer_norm", "native_layer_norm"),
    "copies and changes of format": ("copy_", "_to_copy", "clone", "empty_strided", "cat"),
    "sums and scalings": ("add", "add_", "mul", "mul_", "sum", "div", "div_"),
    "the optimizer": ("Optimizer.step#AdamW.step", "sqrt", "addcmul_", "addcdiv_", "lerp_"),
}


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase: FLOP of matrix products, CPU seconds by round, peak FLOP/s, seconds by kind."""

    name: str
    flop: int
    seconds: list[float]
    peak: float
    kinds: dict[str, float]

    @property
    def achieved(self) -> float:
        """FLOP/s in the median round."""
        return self.flop / median(self.seconds)


def measure(folder: Path, plots: Path) -> Section:
    """Measure each phase on one thread."""
    settings = parse_settings(
        {
            "model": {"base": str(base_folder()), "max_tokens": 64},
            "strategy": {"method": "sequential"},
            "training": {"threads": 1, "epochs": 1, "device": "cpu"},
        },
        "the benchmark",
    )
    base = load_base(settings.model, Path())
    precision, why = probe(base, settings)
    settings = settings.resolved({"training.precision": precision})
    with reproducible(0, 1):
        phases = _phases(settings, base, folder)
    checks = [
        Check(
            f"{phase.name}: matrix FLOP/s over torch.mm's",
            phase.achieved / phase.peak,
            "at least",
            0.4,
        )
        for phase in phases
    ]
    return Section("Where the time goes", checks, _text(phases, precision, why))


def _phases(settings: Settings, base: Any, folder: Path) -> list[Phase]:
    given = problem("sentiment", 0)
    items = tuple(as_items(given.train[:TEXTS], "films"))
    lesson, strategy = Lesson("0" * 64, items, None, {}, "", ()), STRATEGIES["sequential"]
    cache = ActivationCache(folder / "activations", 2_000_000_000)
    situation = candidate._situation(lesson, settings)
    learner = candidate._learner(base, lesson, settings, strategy, 0, situation, cache)
    rows = learner.tokens
    placement = placement_of(settings)
    boundary = learner.classifier.body.lower
    assert boundary is not None
    frozen = Frozen(base, placement, boundary.view, None)
    learner.classifier.prepare(rows)
    guard = strategy.guard(learner)
    batches = bucketed([len(row) for row in rows], 32, "0")[:STEPS]
    few = _Slice(learner, batches)
    dtype = placement.dtype
    short = sorted(rows, key=len)[: TEXTS // 2]
    texts = [item.text for item in items]
    return [
        _phase("frozen layers", lambda: frozen._compute(short), 8 * 32, dtype),
        _phase("a step of the loop", lambda: few.descend(guard), 32 * 32, dtype),
        _phase("an exam", lambda: learner.classifier.logits(texts, lambda *_: None), 8 * 32, dtype),
    ]


class _Slice:
    """Runs the loop's own steps over some batches."""

    def __init__(self, learner: Any, batches: list[list[int]]) -> None:
        self.learner, self.batches = learner, batches

    def descend(self, guard: Any) -> None:
        from components.training import loop

        optimizer = loop._optimizer(self.learner, self.learner.settings.training)
        for rows in self.batches:
            loop._update(self.learner, guard, optimizer, rows, "the benchmark")


def _phase(name: str, work: Callable[[], Any], tokens: int, dtype: torch.dtype) -> Phase:
    with FlopCounterMode(display=False) as counter:
        work()
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        work()
    return Phase(name, counter.get_total_flops(), seconds, _peak(tokens, dtype), _kinds(profiled))


def _peak(tokens: int, dtype: torch.dtype) -> float:
    """Return FLOP/s of `torch.mm` on (tokens, 384) x (384, 1536)."""
    x, weight = torch.randn(tokens, 384).to(dtype), torch.randn(384, 1536).to(dtype)
    taken = []
    for _ in range(30):
        began = time.perf_counter()
        torch.mm(x, weight)
        taken.append(time.perf_counter() - began)
    return 2 * tokens * 384 * 1536 / median(taken)


def _kinds(profiled: Any) -> dict[str, float]:
    """Return self CPU seconds by kind of work."""
    names = {f"aten::{name}": kind for kind, own in KINDS.items() for name in own}
    names |= {name: kind for kind, own in KINDS.items() for name in own if "#" in name}
    found: Counter[str] = Counter()
    for event in profiled.key_averages():
        kind = names.get(event.key) or next(
            (kind for name, kind in names.items() if event.key.startswith(f"{name}_backward")),
            "everything else",
        )
        found[kind] += event.self_cpu_time_total / 1e6
    return dict(found)


def _text(phases: list[Phase], precision: str, why: str) -> str:
    rows = ["| phase | GFLOP | CPU s (median, all) | GFLOP/s | torch.mm | share |"]
    rows.append("|---|---|---|---|---|---|")
    for phase in phases:
        every = ", ".join(f"{second:.2f}" for second in phase.seconds)
        rows.append(
            f"| {phase.name} | {phase.flop / 1e9:.0f} | {median(phase.seconds):.2f} ({every})"
            f" | {phase.achieved / 1e9:.0f} | {phase.peak / 1e9:.0f}"
            f" | {phase.achieved / phase.peak:.0%} |"
        )
    kinds = [*KINDS, "everything else"]
    split = ["| share of the time | " + " | ".join(phase.name for phase in phases) + " |"]
    split.append("|---" * (len(phases) + 1) + "|")
    for kind in kinds:
        shares = [phase.kinds.get(kind, 0) / sum(phase.kinds.values()) for phase in phases]
        split.append(f"| {kind} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")
    intro = (__doc__ or "").split("    make")[0].strip()
    return "\n\n".join(
        [intro, f"Number format: {precision} ({why}).", "\n".join(rows), "\n".join(split)]
        + [_waste(phase) for phase in phases]
    )


def _waste(phase: Phase) -> str:
    whole = sum(phase.kinds.values())
    rest = {kind: own for kind, own in phase.kinds.items() if kind != "matrix products"}
    kind, own = max(rest.items(), key=lambda pair: pair[1])
    ideal = phase.flop / phase.peak / median(phase.seconds)
    slow = phase.kinds.get("matrix products", 0) / whole - ideal
    return (
        f"Largest waste of **{phase.name}** apart from the products: {kind}, {own / whole:.0%} of"
        f" the time. Matrix products slower than the peak (small shapes) take {max(0.0, slow):.0%}."
    )
