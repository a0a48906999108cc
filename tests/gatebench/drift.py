"""How often drift is found where there is none, and where there is.

Shuffled: film sentences, their order drawn anew each time; one half is what the champion was
trained on, the other the batch, n sentences each. Any finding of any test is a false alarm.
Other domain: tweets against editorials. Real embeddings of the frozen base, default settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.demo import fetch
from components.demo.stream import label
from components.evaluation.drift import examine
from components.settings import DriftSettings, parse_settings
from components.training.activation_cache import ActivationCache
from components.training.base import load_base
from components.training.frozen import embed
from components.training.placement import placement_of
from tests.page import Check, Section, opening
from tests.speed.corpora import CACHE

SIZES, ROUNDS, NEAR = (50, 200, 1000, 5000), 200, 200


def measure(folder: Path, plots: Path) -> Section:
    """Embed once, then shuffle."""
    films, tweets, editorials = _embedded(folder)
    random = np.random.default_rng(0)
    alarms = {n: _alarms(random, films, films, n) for n in SIZES}
    found = {n: _alarms(random, tweets, editorials, n) for n in SIZES[:2]}
    checks = [
        Check(f"false alarms, n = {n}", 100 * _any(alarms[n]), "at most", 5.0, " %") for n in SIZES
    ]
    what = f"tweets against editorials found, n = {NEAR}"
    checks.append(Check(what, 100 * _any(found[NEAR]), "at least", 95.0, " %"))
    names = list(TESTS)
    rows = ["| | n | any | " + " | ".join(names) + " |", "|---|---|---|" + "---|" * len(names)]
    for kind, told in (("shuffled", alarms), ("other domain", found)):
        for n, each in told.items():
            cells = " | ".join(f"{100 * float(each[:, place].mean()):.1f} %" for place in range(3))
            rows.append(f"| {kind} | {n:,} | {100 * _any(each):.1f} % | {cells} |")
    text = "\n\n".join([opening(__doc__), f"{ROUNDS} rounds a row.", "\n".join(rows)])
    return Section("Drift", checks, text)


TESTS = ("domain-classifier", "mmd", "labels")
Pool = tuple[Any, list[str]]
"""Embeddings (n, hidden_size) and labels."""


def _embedded(folder: Path) -> list[Pool]:
    sources = fetch.fetch(CACHE / "demo", print)
    settings = parse_settings(
        {"model": {"base": str(sources.base), "max_tokens": 64}, "training": {"device": "cpu"}},
        "the benchmark",
    )
    base = load_base(settings.model, folder)
    cache = ActivationCache(folder / "activations", 1_000_000_000)
    pools = []
    for domain in ("films", "tweets", "editorials"):
        rated = fetch.read_rated(sources.ratings[domain])
        texts = [text for _, _, text in rated]
        labels = [label(rating) for _, rating, _ in rated]
        pools.append((embed(base, texts, placement_of(settings), cache), labels))
    return pools


def _alarms(random: np.random.Generator, past: Pool, now: Pool, n: int) -> Any:
    """Return which tests found drift, (rounds, tests)."""
    told = []
    for round_ in range(ROUNDS):
        if past is now:
            order = random.permutation(len(past[1]))
            sides = order[:n], order[n : 2 * n]
        else:
            sides = tuple(random.choice(len(pool[1]), n, replace=False) for pool in (past, now))
        embeddings = [pool[0][side] for pool, side in zip((past, now), sides, strict=True)]
        labels = [
            [pool[1][place] for place in side]
            for pool, side in zip((past, now), sides, strict=True)
        ]
        drift = examine(*embeddings, *labels, DriftSettings(), seed=round_)
        by_name = {each.name: each.drifted for each in drift.findings}
        told.append([by_name[name] for name in TESTS])
    return np.array(told)


def _any(told: Any) -> float:
    return float(told.any(1).mean())
