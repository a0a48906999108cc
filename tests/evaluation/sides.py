"""Two sides to compare, made up from seeds: drift-free unless told otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.digest import json_digest
from components.evaluation.drift import Answered, Compared, Counts, Finding, Side, examine
from components.settings import DriftSettings

RULES = DriftSettings()
SPREAD = np.arange(1, 65) ** -0.25
WORDS = "table chair river stone cloud garden window letter music winter".split()


def embeddings(rows: int, seed: int, shift: float = 0.0) -> Any:
    """Return rows of length 1 with a spectrum like that of real embeddings."""
    found = np.random.default_rng(seed).normal(size=(rows, 64)) * SPREAD
    found[:, 0] += shift
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def labels(*counts: int) -> list[str]:
    """Return so many times a, b, c and so on."""
    return [name for name, count in zip("abcdefgh", counts, strict=False) for _ in range(count)]


def side(
    seed: int,
    rows: int = 200,
    shift: float = 0.0,
    own: Sequence[str] | None = None,
    texts: Sequence[str] | None = None,
) -> Side:
    """Return a side of made-up rows."""
    random = np.random.default_rng(seed)
    own = list(random.choice(list("ab"), rows)) if own is None else list(own)
    if texts is None:
        texts = [" ".join(random.choice(WORDS, random.integers(3, 12))) for _ in own]
    items = [json_digest([seed, place]) for place in range(len(own))]
    return Side(items, list(texts), own, embeddings(len(own), seed, shift))


@dataclass(frozen=True)
class Past:
    """What the champion knows besides the rows."""

    seen: Counts | None = None
    brought: Counts | None = None
    known: frozenset[str] | None = None
    held: Answered | None = None
    answered: Answered | None = None
    since: Sequence[Answered] = ()


def compared(earlier: Side, batch: Side, past: Past | None = None) -> Compared:
    """Return what is compared; the labels are counted where `past` does not tell them."""
    past = past or Past()
    return Compared(
        earlier,
        batch,
        past.seen if past.seen is not None else {"t": counted(earlier.labels)},
        past.brought if past.brought is not None else {"t": counted(batch.labels)},
        past.known if past.known is not None else frozenset(earlier.labels),
        past.held or {},
        past.answered or {},
        past.since,
    )


def counted(names: Sequence[str]) -> dict[str, int]:
    """Return rows by label."""
    return {name: list(names).count(name) for name in sorted(set(names))}


def find(given: Compared, rules: DriftSettings = RULES, seed: int = 0) -> dict[str, Finding]:
    """Return the findings by name."""
    return {finding.name: finding for finding in examine(given, rules, seed).findings}


def drifted(found: dict[str, Finding]) -> set[str]:
    """Return the names of what drifted."""
    return {name for name, finding in found.items() if finding.drifted}
