"""The demo's stream: which real sentences arrive when, and with which labels.

Concept: each domain is a task with three classes, cut from the mean rating. A seed deals the
sentences out once, so no sentence stands on two sides. Two batches are spoiled on purpose, as
in practice: one with broken rows, one with flipped labels. What follows is up to the
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

from components.files import write_bytes
from components.identity import PLAIN

Kind = Literal["holdout", "batch", "watch", "pool", "label"]
Rated = tuple[str, float, str]
Row = dict[str, Any]

TURNED = {"positive": "negative", "negative": "positive", "neutral": "neutral"}
EXAM_ITEMS = 700
POOL_INPUTS = 600
FRESH_ITEMS = 400
POISON_ROWS = 480
BACKLOG_ROWS = 1500
NEUTRAL_SHARE = 0.27
"""Of each honest batch; the rest is half negative, half positive."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene. `why` is shown to the reader before it runs.

    `rows`: what the file of the scene has; of a scene of kind "label" what people answer.
    `balance`: what `strategy.balance` is set to before it; None: it stays as it is.
    """

    name: str
    kind: Kind
    task: str
    title: str
    why: str
    rows: tuple[Row, ...] = ()
    balance: float | None = None


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
                near = PLAIN.near(text)
                if near not in seen and any(c.isalnum() for c in text) and text.isprintable():
                    seen.add(near)
                    own.append((text, rating))
            self._random.shuffle(own)
            self._free[task] = own

    def deal(self, task: str, count: int, fits: Callable[[float], bool]) -> list[Row]:
        """Return `count` sentences of a task whose rating fits, labelled by it.

        Any of those that are left, or else batches dealt soon after a clear-cut exam would lack
        the clear-cut sentences that later batches have.
        """
        fitting = [pair for pair in self._free[task] if fits(pair[1])]
        if len(fitting) < count:
            raise ValueError(f"{task}: {len(fitting)} of {count} sentences fit")
        taken = self._random.sample(fitting, count)
        gone = {text for text, _ in taken}
        self._free[task] = [pair for pair in self._free[task] if pair[0] not in gone]
        return [{"text": text, "label": label(rating)} for text, rating in taken]

    def batch(self, task: str, count: int, neutral_share: float = NEUTRAL_SHARE) -> list[Row]:
        """Return a batch of all three classes, shuffled."""
        neutral = round(count * neutral_share)
        rows = self.deal(task, neutral, lambda r: label(r) == "neutral")
        return self.shuffled(rows + self.clear(task, count - neutral, 0.5, balanced=True))

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
    fresh = dealer.deal("tweets", FRESH_ITEMS, lambda r: label(r) == "neutral")
    exams = {
        "tweets": dealer.clear("tweets", EXAM_ITEMS, 1.5, balanced=False),
        "products": dealer.clear("products", EXAM_ITEMS, 1.5, balanced=True),
        "editorials": dealer.clear("editorials", EXAM_ITEMS, 1.0, balanced=True),
        "films": dealer.clear("films", EXAM_ITEMS, 1.5, balanced=True),
    }
    pool = dealer.clear("tweets", POOL_INPUTS, 0.75, balanced=False)
    scenes = [*_few_labels(dealer, exams, pool), *_more_tasks(dealer, exams)]
    return Stream((*scenes, *_trouble(dealer, exams, fresh)))


def _few_labels(dealer: Dealer, exams: dict[str, list[Row]], pool: list[Row]) -> list[Scene]:
    """The first task: a batch that can't be decided without labels, and a few of them."""
    more = dealer.batch("tweets", 400)
    return [
        Scene(
            "tweets-pool",
            "pool",
            "tweets",
            f"ratchet pool add tweets-pool.jsonl --task tweets ({len(pool)} inputs)",
            "Tweets without labels, never trained on. New versions will be compared on them.",
            tuple({"text": row["text"]} for row in pool),
        ),
        _batch(
            "tweets-1",
            "tweets",
            dealer.batch("tweets", 800),
            "The first batch. There is no version yet that it could be worse than.",
        ),
        _batch(
            "tweets-2",
            "tweets",
            dealer.shuffled(more + _broken(more)),
            "The next batch. Some rows are broken: no text, an unknown label, control characters, "
            "duplicates.",
        ),
        Scene(
            "tweets-labels",
            "label",
            "tweets",
            "ratchet label",
            "Where both versions give the same answer, nothing can be lost. Only the other inputs "
            "are asked,\nand only while a label can still decide. The data's own labels answer "
            "for a person.",
            tuple(pool),
        ),
        _exam(
            "tweets",
            exams,
            "Labelled items, more than the pool has: from now on they decide. All have a clear "
            "sentiment;\nwhat is missing here will matter later.",
        ),
    ]


def _more_tasks(dealer: Dealer, exams: dict[str, list[Row]]) -> list[Scene]:
    """Two more domains, each with its exam first."""
    return [
        _exam("products", exams),
        _batch(
            "products-1",
            "products",
            dealer.batch("products", 300),
            "A new task. The old one must not suffer.",
        ),
        _batch(
            "products-junk",
            "products",
            _junk(dealer.batch("products", 100)),
            "An export went wrong: most rows have no usable label.",
        ),
        _exam("editorials", exams),
        _batch("editorials-1", "editorials", dealer.batch("editorials", 300), "A third task."),
    ]


def _trouble(dealer: Dealer, exams: dict[str, list[Row]], fresh: list[Row]) -> list[Scene]:
    """Poison, a batch whose harm shows only later, and the way back."""
    return [
        _batch(
            "products-poisoned",
            "products",
            [
                {"text": row["text"], "label": TURNED[row["label"]]}
                for row in dealer.clear("products", POISON_ROWS, 0.5, balanced=True)
            ],
            "Somebody flipped the labels. Every row is well-formed.",
        ),
        _exam("films", exams),
        _batch(
            "films-1",
            "films",
            dealer.clear("films", BACKLOG_ROWS, 0.5, balanced=False),
            "A large backlog without a neutral sentence; and somebody lets labels count as often "
            "as they\ncome (strategy.balance: 0). All labels are right, and no exam has a neutral "
            "sentence:\nnothing shows.",
            balance=0.0,
        ),
        Scene(
            "tweets-fresh",
            "holdout",
            "tweets",
            f"ratchet holdout add tweets-fresh.jsonl --task tweets ({len(fresh)} items)",
            "Somebody notices the gap, and brings neutral tweets.",
            tuple(fresh),
        ),
        Scene(
            "watch",
            "watch",
            "",
            "ratchet watch",
            "Is the champion still as good as the versions before it, on the new items as well?",
        ),
        _batch(
            "products-2",
            "products",
            dealer.batch("products", 300),
            "Labels are balanced again: back to normal.",
            balance=0.5,
        ),
    ]


def _exam(task: str, exams: dict[str, list[Row]], why: str = "") -> Scene:
    rows = tuple(exams[task])
    name = f"{task}-exam"
    title = f"ratchet holdout add {name}.jsonl --task {task} ({len(rows)} items)"
    return Scene(name, "holdout", task, title, why or "Never trained on.", rows)


def _batch(name: str, task: str, rows: list[Row], why: str, balance: float | None = None) -> Scene:
    title = f"ratchet run {name}.jsonl --task {task} ({len(rows)} rows)"
    return Scene(name, "batch", task, title, why, tuple(rows), balance)


def _broken(sound: list[Row]) -> list[Row]:
    """Return rows as exports break them."""
    return [
        *({"text": None, "label": "positive"} for _ in range(3)),
        *({"text": row["text"] + "!!!", "label": "meh"} for row in sound[:4]),
        *({"text": "\x00\x07 " + row["text"], "label": row["label"]} for row in sound[4:6]),
        *sound[6:10],
    ]


def _junk(rows: list[Row]) -> list[Row]:
    return [row if i % 4 == 0 else {**row, "label": "n/a"} for i, row in enumerate(rows)]
