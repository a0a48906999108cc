"""Answers of a version: labels and probabilities, computed once for each item.

Concept: `predict` answers texts; `score` answers items and keeps each answer, with its
confidence and its Brier score, in a `ScoreStore`, so an exam costs only the items that this
version has not answered yet.

Promise: a text's answer does not depend on the other texts (see `training.encoding` for
the fixed shapes that hold this, and for what remains). The store is a cache: it can be
deleted at any time.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from components.digest import json_digest
from components.errors import Corrupted, Retryable
from components.training.classifier import Classifier, check_base, load_classifier
from components.training.determinism import fixed_threads
from components.training.progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np

    from components.items import Item
    from components.training.activation_cache import ActivationCache
    from components.training.base import Base
    from components.training.bundle import Bundle
    from components.training.placement import Placement

KEPT_CLASSIFIERS = 4
"""Champion, candidate, anchor and one to spare; each adds its adapter alone to the memory."""

SCORE_DECIMALS = 4
"""What evidence keeps of a probability; the answers of one machine differ by far less."""

LOCK_SECONDS = 30.0
"""How long a call waits for another process that writes scores."""

_CLASSIFIERS: OrderedDict[tuple[str, Placement, ActivationCache | None], Classifier] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answers in the order of the texts.

    labels: the most probable label of each text. probabilities: float32, shape
    (n_texts, n_classes), each row sums to 1; its columns are `classes`.
    """

    labels: list[str]
    probabilities: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer to one item, rounded to `SCORE_DECIMALS`.

    label: the most probable one. confidence: its probability, in [0, 1]. brier: the squared
    distance of all probabilities from the item's own label, halved, so that it lies in
    [0, 1] for any number of labels; 0 is sure and right (Brier 1950, Monthly Weather Review 78).
    """

    label: str
    confidence: float
    brier: float


def predict(
    base: Base,
    bundle: Bundle,
    texts: Sequence[str],
    placement: Placement,
    cache: ActivationCache | None = None,
    progress: Progress = silent,
) -> Prediction:
    """Answer `texts` with the version that `bundle` holds.

    Args:
        base: the base that the bundle was trained on.
        bundle: the version.
        texts: any strings; an empty one is answered as well.
        placement: how to compute; `max_tokens` is the bundle's own. The last bits of a
            probability can depend on it.
        cache: where the frozen layers' states are kept.
        progress: told (texts done, texts).

    Raises:
        ConfigError: the bundle was trained on another base.
    """
    import numpy as np

    classes = bundle.labels
    if not texts:
        return Prediction([], np.zeros((0, len(classes)), np.float32), classes)
    placement = replace(placement, max_tokens=bundle.max_tokens)
    with fixed_threads(placement.threads):
        logits = _classifier(base, bundle, placement, cache).logits(texts, progress)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return Prediction([classes[place] for place in logits.argmax(axis=1)], probabilities, classes)


def score(
    base: Base,
    bundle: Bundle,
    items: Sequence[Item],
    store: ScoreStore,
    placement: Placement,
    cache: ActivationCache | None = None,
    progress: Progress = silent,
) -> dict[str, Scored]:
    """Return item digest -> answer for all `items`, computing only what is missing.

    Raises:
        ConfigError: as `predict`.
        Retryable: the store is locked.
        Corrupted: the store is no database.
    """
    asked = {item.digest: item for item in items}
    key = answers_key(bundle, placement)
    known = store.answers_for(key, asked)
    missing = [asked[digest] for digest in sorted(asked.keys() - known.keys())]
    if missing:
        texts = [item.text for item in missing]
        prediction = predict(base, bundle, texts, placement, cache, progress)
        fresh = _scored(prediction, missing)
        store.put(key, fresh)
        known |= fresh
    return known


def _scored(prediction: Prediction, items: Sequence[Item]) -> dict[str, Scored]:
    """Return the answer to each item; a label that the version does not know has chance zero."""
    places = {label: place for place, label in enumerate(prediction.classes)}
    found = {}
    for item, label, row in zip(
        items, prediction.labels, prediction.probabilities.astype(float), strict=True
    ):
        own = float(row[places[item.label]]) if item.label in places else 0.0
        brier = (float(row @ row) - 2 * own + 1) / 2
        scores = (float(row.max()), min(max(brier, 0.0), 1.0))
        found[item.digest] = Scored(label, *(round(each, SCORE_DECIMALS) for each in scores))
    return found


def answers_key(bundle: Bundle, placement: Placement) -> str:
    """Return the digest of all that decides a version's answers.

    Law: versions that differ in memory or strategy alone have one key, so the second of them
    is not scored again.
    """
    deciding = {
        name: digest
        for name, digest in bundle.files.items()
        if name.startswith("adapter/") or name in ("head.safetensors", "labels.json")
    }
    return json_digest(
        {
            "files": deciding,
            "base": bundle.state["base"]["digest"],
            "precision": placement.precision,
            "max_tokens": bundle.max_tokens,
        }
    )


@dataclass(frozen=True, slots=True)
class ScoreStore:
    """Answers by (`answers_key`, item digest), in one SQLite file.

    The table is called anew where its columns change: what an earlier Ratchet left in `scores`
    (labels alone) is dropped and computed again.
    """

    path: Path

    def answers_for(self, bundle: str, items: Iterable[str]) -> dict[str, Scored]:
        """Return item digest -> answer for those of `items` that `bundle` has answered."""
        wanted = set(items)
        statement = "SELECT item, label, confidence, brier FROM answers WHERE bundle = ?"
        with self._open() as database:
            rows = database.execute(statement, (bundle,))
            found = ((item, label, scores) for item, label, *scores in rows if item in wanted)
            return {item: Scored(label, *map(_number, scores)) for item, label, scores in found}

    def put(self, bundle: str, answers: Mapping[str, Scored]) -> None:
        """Keep `answers` (item digest -> answer); what is there already stays."""
        rows = [
            (bundle, item, each.label, each.confidence, each.brier)
            for item, each in answers.items()
        ]
        with self._open() as database:
            database.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self.path, timeout=LOCK_SECONDS)) as database, database:
                database.execute("DROP TABLE IF EXISTS scores")
                database.execute(
                    "CREATE TABLE IF NOT EXISTS answers (bundle TEXT, item TEXT, label TEXT"
                    " NOT NULL, confidence REAL, brier REAL,"
                    " PRIMARY KEY (bundle, item)) WITHOUT ROWID"
                )
                yield database
        except sqlite3.OperationalError as error:
            raise Retryable(
                f"The score store {self.path} cannot be used now: {error}.",
                "Wait for the other process and run it again.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise Corrupted(
                f"The score store {self.path} is damaged: {error}.",
                "Delete the file; scores are computed anew.",
            ) from error


def _number(stored: float | None) -> float:
    """Return a stored number; SQLite keeps NaN as NULL."""
    return float("nan") if stored is None else stored


def _classifier(
    base: Base, bundle: Bundle, placement: Placement, cache: ActivationCache | None
) -> Classifier:
    """Keep the last few loaded, because an exam asks champion and candidate in turn."""
    check_base(base, bundle)
    key = (bundle.digest, placement, cache)
    if key not in _CLASSIFIERS:
        _CLASSIFIERS[key] = load_classifier(base, bundle, placement, cache)
    _CLASSIFIERS.move_to_end(key)
    while len(_CLASSIFIERS) > KEPT_CLASSIFIERS:
        _CLASSIFIERS.popitem(last=False)
    return _CLASSIFIERS[key]
