"""How often drift is found where there is none, and where there is.

Shuffled: rated sentences of one domain (the domains take turns, where they have enough), their
order drawn again each time; one half is what the champion was trained on, the other the batch, n
sentences each. Any finding of any check is a false alarm. Other domain: tweets, then editorials.
Flipped labels: tweets with the labels of a share of the rows flipped. Real embeddings of the
frozen base, default settings; the champion is a linear classifier of 600 more sentences, held to a
fifth of the earlier rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from components.demo import fetch
from components.demo.stream import TURNED, label
from components.evaluation.drift import DRIFT_CHECKS, Compared, Side, examine
from components.identity import PLAIN
from components.model.activation_cache import ActivationCache
from components.model.base import load_base
from components.model.frozen import embed
from components.model.placement import placement_of
from components.settings import DriftSettings, parse_settings
from tests.page import Check, Section, opening
from tests.speed.corpora import CACHE

SIZES, NEAR = (50, 200, 1000, 5000), 200
QUIET_ROUNDS, LOUD_ROUNDS = 300, 100
FITTED, HELD_SHARE = 600, 5
SHARES = (0.05, 0.10, 0.20, 0.40)
NAMES = [check.name for check in DRIFT_CHECKS]
RULES = DriftSettings()


@dataclass(frozen=True)
class Pool:
    """The sentences of one domain, and what the champion of that domain makes of them."""

    items: Any
    texts: Any
    labels: Any
    answers: Any
    embeddings: Any

    def of(self, rows: Any) -> Pool:
        """Return some of the rows."""
        columns = (self.items, self.texts, self.labels, self.answers, self.embeddings)
        return Pool(*(column[rows] for column in columns))

    def drawn(self, random: np.random.Generator, n: int) -> Pool:
        """Return n rows, drawn at random."""
        return self.of(random.permutation(len(self.items))[:n])

    def side(self) -> Side:
        """Return the rows as they are compared."""
        return Side(list(self.items), list(self.texts), list(self.labels), self.embeddings)

    def answered(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Return by label how many rows there are, and how many the champion gets wrong."""
        wrong = Counter(self.labels[self.labels != self.answers].tolist())
        return {"t": {name: (rows, wrong[name]) for name, rows in self.counted().items()}}

    def counted(self) -> dict[str, int]:
        """Return rows by label."""
        return dict(sorted(Counter(self.labels.tolist()).items()))


def measure(folder: Path, plots: Path) -> Section:
    """Embed once, then shuffle."""
    pools = _pools(folder)
    random = np.random.default_rng(0)
    quiet = {n: _quiet(random, list(pools.values()), n) for n in SIZES}
    loud = {("other domain", n): _other_domain(random, pools, n) for n in SIZES[:2]}
    for share in SHARES:
        name = f"{100 * share:.0f} % of the labels flipped"
        loud |= {(name, n): _turned(random, pools["tweets"], n, share) for n in (200, 1000)}
    checks = [
        Check(f"false alarms, n = {n}", 100 * _any(told), "at most", 5.0, " %")
        for n, told in quiet.items()
    ]
    what = f"tweets against editorials found, n = {NEAR}"
    checks.append(Check(what, 100 * _any(loud["other domain", NEAR]), "at least", 95.0, " %"))
    table = _table({**{("shuffled", n): told for n, told in quiet.items()}, **loud})
    rounds = (
        f"{QUIET_ROUNDS} rounds per row of shuffled sentences, {LOUD_ROUNDS} per row of others."
    )
    return Section("Drift", checks, "\n\n".join([opening(__doc__), rounds, table]))


def _pools(folder: Path) -> dict[str, Pool]:
    sources = fetch.fetch(CACHE / "demo", print)
    settings = parse_settings(
        {"model": {"base": str(sources.base), "max_tokens": 64}, "training": {"device": "cpu"}},
        "the benchmark",
    )
    base, placement = load_base(settings.model, folder), placement_of(settings)
    cache = ActivationCache(folder / "activations", 1_000_000_000)
    pools = {}
    for domain in fetch.DOMAINS:
        rated = {
            PLAIN.near(text): (text, label(r))
            for _, r, text in fetch.read_rated(sources.ratings[domain])
        }
        texts, labels = (
            np.array(column, dtype=object) for column in zip(*rated.values(), strict=True)
        )
        vectors = embed(base, list(texts), placement, cache)
        pools[domain] = _with_champion(np.array(list(rated)), texts, labels, vectors)
    return pools


def _with_champion(items: Any, texts: Any, labels: Any, vectors: Any) -> Pool:
    """Fit a linear classifier to some rows, let it answer the others, and return these."""
    order = np.random.default_rng(1).permutation(len(items))
    fitted, rest = order[:FITTED], order[FITTED:]
    names = np.unique(labels.astype(str))
    wanted = (labels[fitted, None] == names).astype(float)
    rows = vectors[fitted].astype(float)
    weights = np.linalg.solve(rows.T @ rows + np.eye(rows.shape[1]), rows.T @ (wanted - 1 / 3))
    answers = names[(vectors @ weights).argmax(axis=1)].astype(object)
    return Pool(items, texts, labels, answers, vectors).of(rest)


def _quiet(random: np.random.Generator, pools: Sequence[Pool], n: int) -> Any:
    """Return which checks found drift among shuffled rows, (rounds, checks)."""
    large = [pool for pool in pools if len(pool.items) >= 2 * n]
    told = []
    for round_ in range(QUIET_ROUNDS):
        both = large[round_ % len(large)].drawn(random, 2 * n)
        told.append(_found(both.of(slice(n)), both.of(slice(n, None)), round_))
    return np.array(told)


def _other_domain(random: np.random.Generator, pools: dict[str, Pool], n: int) -> Any:
    return np.array(
        [
            _found(pools["tweets"].drawn(random, n), pools["editorials"].drawn(random, n), round_)
            for round_ in range(LOUD_ROUNDS)
        ]
    )


def _turned(random: np.random.Generator, pool: Pool, n: int, share: float) -> Any:
    told = []
    for round_ in range(LOUD_ROUNDS):
        both = pool.drawn(random, 2 * n)
        batch = both.of(slice(n, None))
        clear = np.flatnonzero(batch.labels != "neutral")
        labels = batch.labels.copy()
        for row in random.permutation(clear)[: round(share * n)]:
            labels[row] = TURNED[labels[row]]
        told.append(_found(both.of(slice(n)), replace(batch, labels=labels), round_))
    return np.array(told)


def _found(earlier: Pool, batch: Pool, seed: int) -> list[bool]:
    """Return which checks found drift."""
    asked = batch.of(slice(RULES.sample_items + len(batch.items) // HELD_SHARE))
    held = earlier.of(slice(max(20, len(earlier.items) // HELD_SHARE)))
    compared = Compared(
        earlier.side(),
        batch.side(),
        {"t": earlier.counted()},
        {"t": batch.counted()},
        frozenset(earlier.labels.tolist()),
        held.answered(),
        asked.answered(),
    )
    by_name = {each.name: each.drifted for each in examine(compared, RULES, seed).findings}
    return [by_name[name] for name in NAMES]


def _any(told: Any) -> float:
    return float(told.any(1).mean())


def _table(told: dict[tuple[str, int], Any]) -> str:
    heads = " | ".join(name.replace("_", " ") for name in NAMES)
    rows = [
        f"| found in % of the batches | n | **any** | {heads} |",
        "|---" * (3 + len(NAMES)) + "|",
    ]
    for (kind, n), each in told.items():
        cells = " | ".join(_percent(float(share)) for share in each.mean(0))
        rows.append(f"| {kind} | {n:,} | **{_percent(_any(each))}** | {cells} |")
    return "\n".join(rows)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")
