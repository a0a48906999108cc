"""Answers of a version: labels and probabilities, computed once for each item.

Concept: `score` answers items and keeps each answer, with its confidence and its Brier score, in
a `ScoreStore`, so an exam costs only the items that this version has not answered yet. Of the
answers that it finds there, it gives some again.

Promise: a text's answer does not depend on the other texts (see `model.encoding` for
the fixed shapes that hold this, and for what remains). Where one kept answer is not what the
version answers, none of that version's is used: all are recomputed, and the caller is notified.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import TYPE_CHECKING

from components.digest import json_digest
from components.evaluation.score_store import Scored, ScoreStore
from components.model.answering import deciding_parts, predict
from components.model.libraries import library_versions
from components.model.prediction import Prediction, among
from components.model.progress import Progress, silent

if TYPE_CHECKING:
    from components.items import Item
    from components.model.activation_cache import ActivationCache
    from components.model.base import Base
    from components.model.bundle import Bundle
    from components.model.placement import Placement

SCORE_DECIMALS = 4
"""What evidence keeps of a probability; the answers of one machine differ by far less."""

SAMPLED = 32
"""How many kept answers are given again: a change of one answer in ten is missed once in 30
times, of one in five once in 1,200. Which ones can't be foretold; nothing else depends on it."""

LIKE = 0.01
"""How far two probabilities of one text may lie apart: docs/speed.md has 0.0017 in bfloat16."""

TIE = 0.02
"""How far below the best a label may lie that was answered elsewhere: `LIKE` on both sides."""


@dataclass(frozen=True, slots=True)
class Distrusted:
    """Kept answers of one version that were not used: how many, and why, in words."""

    bundle: str
    items: int
    reason: str


def unnoticed(found: Distrusted) -> None:
    """Tell nobody."""


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

    `SAMPLED` of the answers found in the store are given again; `distrust` is called if the
    store did not hold.

    Raises:
        ConfigError: as `predict`.
        Retryable: the store is locked.
        Corrupted: the store is no database.
    """
    found: dict[str, Scored] = {}
    for key, own in _by_key(bundle, items, placement).items():
        asked = {item.digest: item for item in own}
        kept = store.look_up(key, asked)
        known = dict(kept.answers)
        if kept.unsound:
            gone = store.forget(key, kept.unsound)
            distrust(Distrusted(bundle.digest, gone, "rows that do not match their digests"))
        drawn = SystemRandom().sample(sorted(known), min(SAMPLED, len(known)))
        answers = {asked[digest]: known[digest] for digest in drawn}
        if drawn and (wrong := differing(base, bundle, answers, placement, cache)):
            reason = f"{len(wrong)} of {len(drawn)} answers came out differently when recomputed"
            distrust(Distrusted(bundle.digest, store.forget(key), reason))
            known = {}
        missing = [asked[digest] for digest in sorted(asked.keys() - known.keys())]
        if missing:
            texts = [item.content for item in missing]
            fresh = _scored(predict(base, bundle, texts, placement, cache, progress), missing)
            store.put(key, fresh)
            known |= fresh
        found |= known
    return found


def labels_among(
    base: Base,
    bundle: Bundle,
    items: Sequence[Item],
    sets: Collection[frozenset[str]],
    placement: Placement,
    cache: ActivationCache | None = None,
    progress: Progress = silent,
) -> dict[frozenset[str], dict[str, str]]:
    """Return labels -> item digest -> the one that a version gives, were it to know only these.

    Nothing is kept: this is asked where a version knows more labels than the one it is held
    against, once.

    Raises:
        ConfigError: as `predict`.
    """
    asked = {item.digest: item for item in items}
    texts = [item.content for item in asked.values()]
    prediction = predict(base, bundle, texts, placement, cache, progress)
    return {labels: dict(zip(asked, among(prediction, labels), strict=True)) for labels in sets}


def _by_key(bundle: Bundle, items: Sequence[Item], placement: Placement) -> dict[str, list[Item]]:
    """Return the items by what decides the version's answers to them."""
    keys = {task: answers_key(bundle, placement, task) for task in {item.task for item in items}}
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(keys[item.task], []).append(item)
    return found


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
    prediction = predict(base, bundle, [i.content for i in items], placement, cache, progress)
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


def answers_key(bundle: Bundle, placement: Placement, task: str) -> str:
    """Return the digest of all that decides a version's answers to the items of a task.

    That is every part which is not declared as for learning only, the base, the libraries and
    the number format. Law: versions that differ in memory, strategy or history alone have one
    key, so the second of them is not scored again.
    """
    return json_digest(
        {
            "parts": deciding_parts(bundle, task),
            "libraries": library_versions(),
            "device": placement.device,
            "precision": placement.precision,
        }
    )
