"""The bench's streams: which rows a model learns, task by task, and what it is asked afterwards.

- `sentiment`: rated sentences of four domains, three labels, one domain after the other
  (domain-incremental; Hutto and Gilbert 2014, as the demo has them).
- `newsgroups`: 20 newsgroups, four new classes a task, five tasks (class-incremental).
- `reuters`: 52 classes of very unequal size, thirteen new ones a task, four tasks.
- `clinc150`: 150 intents, ten new ones a task, fifteen tasks (Larson et al. 2019, CC BY 3.0); only
  where its file is given.

Promise: a seed decides the order of classes (or domains) and the rows, and the same seed deals the
same ones; no text is both learned and asked, near-duplicates included.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.bench.corpora import Row, rows_of
from components.demo import fetch
from components.demo.stream import label as rating_label
from components.errors import DataRejected
from components.identity import PLAIN

NAMES = ("sentiment", "newsgroups", "reuters", "clinc150")
CLASSES_A_TASK = {"newsgroups": 4, "reuters": 13, "clinc150": 10}


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a stream is used: rows to learn from and items to be asked, each a task."""

    rows: int
    items: int


@dataclass(frozen=True, slots=True)
class Task:
    """One step of a stream. `learn`, `ask`: rows, each a text and its label."""

    name: str
    learn: list[Row]
    ask: list[Row]


@dataclass(frozen=True, slots=True)
class Stream:
    """Tasks in the order in which they come. `classes`: each task brings classes of its own."""

    name: str
    classes: bool
    tasks: list[Task]


def deal(
    name: str,
    seed: int,
    budget: Budget,
    cache: Path,
    clinc: Path | None,
    told: Callable[[str], None],
) -> Stream:
    """Return a stream.

    Args:
        name: one of `NAMES`.
        seed: decides order and rows.
        budget: how much is used; a task with less has all it has.
        cache: where downloads are kept.
        clinc: CLINC150's `data_full.json`.
        told: told one sentence before each download.

    Raises:
        Retryable: no package index answers and the cache is not filled.
        DataRejected: CLINC150's file is not there, or not of its form.
    """
    dealer = _Dealer(random.Random(f"bench:{name}:{seed}"), set())
    if name == "sentiment":
        return _sentiment(dealer, budget, cache, told)
    learn, ask = rows_of(name, cache, told) if name in ("newsgroups", "reuters") else _clinc(clinc)
    return _by_classes(dealer, name, learn, ask, budget)


@dataclass
class _Dealer:
    """Hands each text out once; its near-duplicates to nobody."""

    draw: random.Random
    seen: set[str]

    def fresh(self, rows: Sequence[Row]) -> list[Row]:
        """Return what nobody has got of these rows, shuffled."""
        found = []
        for text, label in self.draw.sample(rows, len(rows)):
            near = PLAIN.near(text)
            if near not in self.seen and any(c.isalnum() for c in text):
                self.seen.add(near)
                found.append((text, label))
        return found


def _sentiment(dealer: _Dealer, budget: Budget, cache: Path, told: Callable[[str], None]) -> Stream:
    ratings, tasks = fetch.fetch(cache / "demo", told).ratings, []
    for domain in dealer.draw.sample(sorted(ratings), len(ratings)):
        rated = fetch.read_rated(ratings[domain])
        rows = dealer.fresh([(text, rating_label(mean)) for _, mean, text in rated])
        ask, learn = rows[: budget.items], rows[budget.items :][: budget.rows]
        tasks.append(Task(domain, learn, ask))
    return Stream("sentiment", False, tasks)


def _by_classes(
    dealer: _Dealer, name: str, learn: Sequence[Row], ask: Sequence[Row], budget: Budget
) -> Stream:
    """Deal classes out; a budget is shared evenly, and what small ones leave goes to others."""
    asked, learned = dealer.fresh(ask), dealer.fresh(learn)
    order = sorted({label for _, label in learned})
    dealer.draw.shuffle(order)
    size, tasks = CLASSES_A_TASK[name], []
    for number, start in enumerate(range(0, len(order), size), start=1):
        own = order[start : start + size]
        parts = [
            _even(rows, own, limit)
            for rows, limit in ((learned, budget.rows), (asked, budget.items))
        ]
        tasks.append(Task(f"{name}-{number}", *parts))
    return Stream(name, True, tasks)


def _even(rows: Sequence[Row], labels: Sequence[str], limit: int) -> list[Row]:
    """Return at most `limit` rows of these labels, the smallest classes whole."""
    by_label = {label: [row for row in rows if row[1] == label] for label in labels}
    found, left = list[Row](), limit
    for place, (_, own) in enumerate(sorted(by_label.items(), key=lambda each: len(each[1]))):
        share = left // (len(labels) - place)
        found += own[:share]
        left -= len(own[:share])
    return found


def _clinc(path: Path | None) -> tuple[list[Row], list[Row]]:
    try:
        if path is None:
            raise ValueError("no file was given")
        found = json.loads(path.read_text(encoding="utf-8"))
        learn, ask = ([(text, label) for text, label in found[part]] for part in ("train", "test"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataRejected(
            f"CLINC150 can't be read from {path}: {error}.",
            "Give its data_full.json (github.com/clinc/oos-eval) with --clinc, or leave the"
            " stream out.",
        ) from None
    return learn, ask
