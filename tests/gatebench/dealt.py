"""Real streams: which rows arrive when, which inputs are pooled, and what is tested at the end.

Concept: every text is dealt out once, near-duplicates to nobody: a batch has it, or a pool, or the
test, or the rows that are spoilt later. A step is a batch and the inputs that join the task's pool
once its labels are known.

- `sentiment`: the demo's ratings, four domains, each a task of three labels; two batches of each
  domain, one domain after the other. These data have no split of their own: 1,000 rows of every
  domain are the test.
- `newsgroups`: 20 newsgroups, one task, four new classes a batch; the authors' test file.
- `clinc150`: 150 intents, one task, ten new ones a batch; the authors' test sentences.

Promise: the same seed deals the same rows. Sources: see `tests.speed.corpora` and
`components.demo.fetch`; CLINC150: Larson et al. 2019, EMNLP-IJCNLP, 1311-1316 (CC BY 3.0).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.bench.corpora import Row, rows_of
from components.demo import fetch
from components.demo.stream import label as rating_label
from components.identity import PLAIN
from tests.speed.corpora import CACHE

STREAMS = ("sentiment", "newsgroups", "clinc150")
CLINC = Path(__file__).parents[3] / "shared" / "data" / "clinc150" / "data_full.json"

BATCH_ROWS, TEST_ROWS, SPOILT_ROWS = 400, 1000, 400
POOL_FIRST, POOL_MORE = 1000, 1000
"""Inputs of a task's pool at first, as far as the data go, and what all later steps add to it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A batch of one task, and the inputs that are pooled once its labels are known."""

    task: str
    rows: Sequence[Row]
    pool: Sequence[Row] = ()

    @property
    def labels(self) -> frozenset[str]:
        """The labels of the rows that are pooled."""
        return frozenset(label for _, label in self.pool)


@dataclass(frozen=True, slots=True)
class Stream:
    """What arrives; `test`: task -> rows; `spoilt`: rows of known labels that nobody has seen."""

    name: str
    steps: Sequence[Step]
    test: Mapping[str, Sequence[Row]]
    spoilt: Step

    def truth(self) -> dict[tuple[str, str], str]:
        """Return (task, near digest) -> label of every input of a pool."""
        return {
            (step.task, PLAIN.near(text)): label for step in self.steps for text, label in step.pool
        }


@dataclass
class _Deck:
    """Hands out each text once."""

    draw: random.Random
    seen: set[str] = field(default_factory=set)

    def by_label(self, rows: Iterable[Row]) -> dict[str, list[Row]]:
        """Return what nobody has got of these rows, shuffled, by label."""
        found: dict[str, list[Row]] = {}
        own = sorted(set(rows))
        for text, label in self.draw.sample(own, len(own)):
            near = PLAIN.near(text)
            if near not in self.seen and any(c.isalnum() for c in text) and text.isprintable():
                self.seen.add(near)
                found.setdefault(label, []).append((text, label))
        return dict(sorted(found.items()))

    def shuffled(self, rows: Sequence[Row]) -> list[Row]:
        return self.draw.sample(rows, len(rows))


def deal(name: str, seed: int) -> Stream | None:
    """Return a stream; None where its data are not there.

    Raises:
        Retryable: no package index answers and the cache is not filled.
    """
    deck = _Deck(random.Random(f"streams:{name}:{seed}"))
    if name == "sentiment":
        return _sentiment(deck)
    if name == "newsgroups":
        train, test = rows_of("newsgroups", CACHE / "speed", print)
        return _by_class(deck, name, train, test, steps=5)
    if not CLINC.exists():
        return None
    found = json.loads(CLINC.read_text(encoding="utf-8"))
    train, test = (
        [(text, label) for part in parts for text, label in found[part]]
        for parts in (("train", "val"), ("test",))
    )
    return _by_class(deck, name, train, test, steps=15)


def _sentiment(deck: _Deck) -> Stream:
    ratings = fetch.fetch(CACHE / "demo", print).ratings
    steps, tests, spoilt = [], {}, None
    for task, path in ratings.items():
        rated = [(text, rating_label(mean)) for _, mean, text in fetch.read_rated(path)]
        rows = deck.shuffled([row for own in deck.by_label(rated).values() for row in own])
        tests[task], rows = rows[:TEST_ROWS], rows[TEST_ROWS:]
        pool, rows = rows[:POOL_FIRST], rows[POOL_FIRST:]
        steps.append(Step(task, rows[:BATCH_ROWS], pool))
        steps.append(Step(task, rows[BATCH_ROWS : 2 * BATCH_ROWS]))
        if spoilt is None:
            spoilt = Step(task, rows[2 * BATCH_ROWS : 2 * BATCH_ROWS + SPOILT_ROWS])
    assert spoilt is not None, "there are four domains"
    return Stream("sentiment", steps, tests, spoilt)


def _by_class(
    deck: _Deck, task: str, train: Sequence[Row], test: Sequence[Row], steps: int
) -> Stream:
    """Deal a task of which every step brings new classes, the same number each."""
    tests = [row for own in deck.by_label(test).values() for row in own]
    free = deck.by_label(train)
    order = deck.draw.sample(sorted(free), len(free))
    size = len(order) // steps
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    spoilt = [
        row
        for label in (*groups[0], *groups[1])
        for row in _take(free[label], SPOILT_ROWS // (2 * size))
    ]
    made = []
    for number, group in enumerate(groups):
        rows = [row for label in group for row in _take(free[label], BATCH_ROWS // size)]
        wanted = POOL_FIRST if number == 0 else POOL_MORE // (steps - 1)
        pool = [row for label in group for row in _take(free[label], wanted // size)]
        made.append(Step(task, deck.shuffled(rows), deck.shuffled(pool)))
    return Stream(task, made, {task: tests}, Step(task, deck.shuffled(spoilt)))


def _take(rows: list[Row], count: int) -> list[Row]:
    """Take the first rows out of a list, as many as there are."""
    taken = rows[:count]
    del rows[:count]
    return taken
