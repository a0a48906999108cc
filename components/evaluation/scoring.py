"""Answers of a version: labels and probabilities, computed once for each item.

Concept: `predict` answers texts; `score` answers items and keeps each answer, with its
confidence and its Brier score, in a `ScoreStore`, so an exam costs only the items that this
version has not answered yet. Of the answers that it finds there, it gives some again.

Promise: a text's answer does not depend on the other texts (see `training.encoding` for
the fixed shapes that hold this, and for what remains). Where one kept answer is not what the
version answers, none of that version's is used: all are computed anew, and the caller is told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import TYPE_CHECKING

from components.digest import json_digest
from components.evaluation.score_store import Scored, ScoreStore
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

SAMPLED = 32
"""How many kept answers are given again: a change of one answer in ten is missed once in 30
times, of one in five once in 1,200. Which ones can't be foretold; nothing else depends on it."""

LIKE = 0.01
"""How far two probabilities of one text may lie apart: docs/speed.md has 0.0017 in bfloat16."""

TIE = 0.02
"""How far below the best a label may lie that was answered elsewhere: `LIKE` on both sides."""

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
class Distrusted:
    """Kept answers of one version that were not used: how many, and why, in words."""

    bundle: str
    items: int
    reason: str


def unnoticed(found: Distrusted) -> None:
    """Tell nobody."""


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
    distrust: Callable[[Distrusted], None] = unnoticed,
) -> dict[str, Scored]:
    """Return item digest -> answer for all `items`, computing only what is missing.

    `SAMPLED` of the answers found in the store are given again; `distrust` is told where the
    store did not hold.

    Raises:
        ConfigError: as `predict`.
        Retryable: the store is locked.
        Corrupted: the store is no database.
    """
    asked = {item.digest: item for item in items}
    key = answers_key(bundle, placement)
    kept = store.look_up(key, asked)
    known = dict(kept.answers)
    if kept.unsound:
        gone = store.forget(key, kept.unsound)
        distrust(Distrusted(bundle.digest, gone, "rows that do not fit their digests"))
    drawn = SystemRandom().sample(sorted(known), min(SAMPLED, len(known)))
    answers = {asked[digest]: known[digest] for digest in drawn}
    if drawn and (wrong := differing(base, bundle, answers, placement, cache)):
        reason = f"{len(wrong)} of {len(drawn)} answers given again came out otherwise"
        distrust(Distrusted(bundle.digest, store.forget(key), reason))
        known = {}
    missing = [asked[digest] for digest in sorted(asked.keys() - known.keys())]
    if missing:
        texts = [item.text for item in missing]
        fresh = _scored(predict(base, bundle, texts, placement, cache, progress), missing)
        store.put(key, fresh)
        known |= fresh
    return known


def differing(
    base: Base,
    bundle: Bundle,
    answers: Mapping[Item, Scored],
    placement: Placement,
    cache: ActivationCache | None = None,
    progress: Progress = silent,
) -> list[Item]:
    """Return the items whose given answer is not what the version answers, near ties apart."""
    items = list(answers)
    prediction = predict(base, bundle, [i.text for i in items], placement, cache, progress)
    places = {label: place for place, label in enumerate(prediction.classes)}
    fresh, found = _scored(prediction, items), []
    for item, row in zip(items, prediction.probabilities, strict=True):
        given, now = answers[item], fresh[item.digest]
        chance = float(row[places[given.label]]) if given.label in places else -1.0
        alike = _like(given.confidence, now.confidence) and _like(given.brier, now.brier)
        tied = given.label == now.label or now.confidence - chance <= TIE
        if not (alike and tied):
            found.append(item)
    return found


def _like(one: float, other: float) -> bool:
    return abs(one - other) <= LIKE or (one != one and other != other)  # both are no number


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
