"""The demo's stream: which real sentences arrive when, and with which labels.

Concept: each domain is a task with three classes, cut from the mean rating. A seed deals the
sentences out once, so no sentence stands on two sides. Two batches are spoiled on purpose, as
they are in life: one by broken rows, one by labels turned round. What follows is up to the
gate.

Promise: the same ratings and seed give the same stream; nothing in here knows the outcome.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.digest import text_digest
from components.files import write_bytes

Kind = Literal["holdout", "batch", "watch"]
Rated = tuple[str, float, str]
Row = dict[str, Any]

TURNED = {"positive": "negative", "negative": "positive", "neutral": "neutral"}
EXAM_ITEMS = 600
FRESH_ITEMS = 600


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that happens. `why` is what a spectator is told beforehand."""

    name: str
    kind: Kind
    task: str
    title: str
    why: str
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """The scenes in their order."""

    scenes: tuple[Scene, ...]


class Dealer:
    """Deals each sentence of the rated domains out at most once."""

    def __init__(self, ratings: dict[str, Sequence[Rated]], seed: int) -> None:
        self._random = random.Random(f"ratchet-demo:{seed}")
        seen: set[str] = set()
        self._free: dict[str, list[tuple[str, float]]] = {}
        for task in sorted(ratings):
            own = []
            for _, rating, text in ratings[task]:
                near = text_digest(text)
                if near not in seen and any(c.isalnum() for c in text) and text.isprintable():
                    seen.add(near)
                    own.append((text, rating))
            self._random.shuffle(own)
            self._free[task] = own

    def deal(self, task: str, count: int, fits: Callable[[float], bool]) -> list[Row]:
        """Return `count` sentences of a task whose rating fits, labelled by it."""
        taken = [pair for pair in self._free[task] if fits(pair[1])][:count]
        if len(taken) < count:
            raise ValueError(f"{task}: {len(taken)} of {count} sentences fit")
        gone = {text for text, _ in taken}
        self._free[task] = [pair for pair in self._free[task] if pair[0] not in gone]
        return [{"text": text, "label": label(rating)} for text, rating in taken]

    def batch(self, task: str, count: int, neutral_share: float) -> list[Row]:
        """Return a batch with a set share of neutral sentences, shuffled."""
        neutral = round(count * neutral_share)
        rows = self.deal(task, neutral, lambda r: abs(r) < 0.5)
        return self.shuffled(rows + self.deal(task, count - neutral, lambda r: abs(r) >= 0.5))

    def clear(self, task: str, count: int, floor: float, balanced: bool) -> list[Row]:
        """Return clearly rated sentences, half of them negative where `balanced`."""
        if not balanced:
            return self.shuffled(self.deal(task, count, lambda r: abs(r) >= floor))
        rows = self.deal(task, count // 2, lambda r: r <= -floor)
        return self.shuffled(rows + self.deal(task, count - count // 2, lambda r: r >= floor))

    def shuffled(self, rows: list[Row]) -> list[Row]:
        """Return the rows in a new order."""
        return self._random.sample(rows, len(rows))


def label(rating: float) -> str:
    """Return the class of a mean rating (-4 to 4)."""
    return "negative" if rating <= -0.5 else "positive" if rating >= 0.5 else "neutral"


def write_scene(folder: Path, scene: Scene) -> Path:
    """Write a scene's rows as JSONL and return the file."""
    path = folder / f"{scene.name}.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in scene.rows]
    write_bytes(path, "".join(lines).encode("utf-8"))
    return path


def make_stream(ratings: dict[str, Sequence[Rated]], seed: int) -> Stream:
    """Return the demo's scenes, dealt by `seed`."""
    dealer = Dealer(ratings, seed)
    fresh = dealer.shuffled(
        dealer.deal("tweets", FRESH_ITEMS // 2, lambda r: abs(r) < 0.3)
        + dealer.deal("tweets", FRESH_ITEMS - FRESH_ITEMS // 2, lambda r: abs(r) >= 1.0)
    )
    exams = {
        "tweets": dealer.clear("tweets", EXAM_ITEMS, 1.5, balanced=False),
        "products": dealer.clear("products", EXAM_ITEMS, 1.5, balanced=True),
        "films": dealer.clear("films", EXAM_ITEMS, 1.5, balanced=True),
        "editorials": dealer.clear("editorials", EXAM_ITEMS, 1.0, balanced=True),
    }
    return Stream((*_first_tasks(dealer, exams), *_trouble(dealer, exams, fresh)))
