"""Answers of a version: labels and probabilities, computed once for each item.

Concept: `predict` answers texts; `score` answers items and keeps the labels in a
`ScoreStore`, so an exam costs only the items that this version has not answered yet.

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
) -> dict[str, str]:
    """Return item digest -> predicted label for all `items`, computing only what is missing.

    Raises:
        ConfigError: as `predict`.
        Retryable: the store is locked.
        Corrupted: the store is no database.
    """
    texts = {item.digest: item.text for item in items}
    key = answers_key(bundle, placement)
    known = store.labels_for(key, texts)
    missing = sorted(texts.keys() - known.keys())
    if missing:
        wanted = [texts[digest] for digest in missing]
        answers = predict(base, bundle, wanted, placement, cache, progress).labels
        fresh = dict(zip(missing, answers, strict=True))
        store.put(key, fresh)
        known |= fresh
    return known


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
    """Predicted labels by (`answers_key`, item digest), in one SQLite file."""

    path: Path

    def labels_for(self, bundle: str, items: Iterable[str]) -> dict[str, str]:
        """Return item digest -> label for those of `items` that `bundle` has answered."""
        wanted = set(items)
        with self._open() as database:
            rows = database.execute("SELECT item, label FROM scores WHERE bundle = ?", (bundle,))
            return {item: label for item, label in rows if item in wanted}

    def put(self, bundle: str, labels: Mapping[str, str]) -> None:
        """Keep `labels` (item digest -> label); what is there already stays."""
        rows = [(bundle, item, label) for item, label in labels.items()]
        with self._open() as database:
            database.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?)", rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self.path, timeout=LOCK_SECONDS)) as database, database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS scores (bundle TEXT, item TEXT, label TEXT"
                    " NOT NULL, PRIMARY KEY (bundle, item)) WITHOUT ROWID"
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
