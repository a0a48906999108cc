"""Learn one batch: a lesson and its parent's bundle in, a candidate's bundle out.

Concept: the room's front door. It gathers the rows, puts the model together, lets the
strategy train it and writes the bundle; each of these steps lives in its own module.

Promise: law 7. The same lesson with the same base, settings and libraries gives the same
bytes on one machine, in whatever process, however often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.digest import json_digest
from components.errors import ConfigError, DataRejected
from components.items import Item
from components.model.adapters import METHODS
from components.model.adapters.method import Method
from components.model.bundle import (
    FORMAT,
    Bundle,
    Part,
    json_part,
    strategy_part,
    tensors_part,
    write_bundle,
)
from components.model.classifier import Body, Classifier, check_base, make_body
from components.model.determinism import derived_seed, reproducible, resolve_device
from components.model.encoding import ENCODERS
from components.model.heads import HEADS
from components.model.heads.linear import grown_labels
from components.model.libraries import library_versions
from components.model.placement import placement_of
from components.model.progress import Progress, silent
from components.training.learner import Learner
from components.training.memory import MemoryRef, references, remembered
from components.training.strategies import STRATEGIES
from components.training.strategies.strategy import Situation, Strategy

if TYPE_CHECKING:
    from torch import nn

    from components.model.activation_cache import ActivationCache
    from components.model.base import Base
    from components.settings import Settings


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a candidate learns from.

    batch: the batch's digest. items: its training rows, holdout rows taken out already.
    parent: the champion's bundle, None for the first. anchors: task -> bundle digest.
    wall: the digest of all that may never be trained on. replay: returns the items of
    the references that still exist; erased ones are left out.
    """

    batch: str
    items: tuple[Item, ...]
    parent: Bundle | None
    anchors: dict[str, str]
    wall: str
    replay: Callable[[Sequence[MemoryRef]], Sequence[Item]]


def lesson_key(base: Base, lesson: Lesson, settings: Settings) -> str:
    """Return the digest of everything that decides the bundle's bytes on one machine."""
    return json_digest(
        {
            "anchors": lesson.anchors,
            "base": base.digest,
            "batch": lesson.batch,
            "device": resolve_device(settings.training.device),
            "format": FORMAT,
            "items": sorted(item.digest for item in lesson.items),
            "libraries": library_versions(),
            "parent": lesson.parent.digest if lesson.parent else None,
            "settings": settings.training_digest(),
            "wall": lesson.wall,
        }
    )


def learn(
    base: Base,
    bundles: Path,
    lesson: Lesson,
    settings: Settings,
    progress: Progress = silent,
    cache: ActivationCache | None = None,
    preparing: Progress = silent,
) -> Bundle:
    """Train on the lesson and write the new bundle under `bundles`.

    Args:
        base: the frozen model; is not changed.
        bundles: folder of all bundles.
        lesson: rows, parent and wall.
        settings: of the root, nothing left on `auto` but the device.
        progress: told (steps done, steps).
        cache: where the frozen layers' states are kept; no byte depends on it.
        preparing: told (rows done, rows) while they are computed.

    Raises:
        DataRejected: no rows are left to train on.
        ConfigError: base or adapter settings are not the parent's.
        NeedsHuman: training diverged.
    """
    _check(base, lesson, settings)
    strategy = STRATEGIES[settings.strategy.method]
    situation = _situation(lesson, settings)
    replayed = tuple(lesson.replay(strategy.replay(situation)))
    seed = derived_seed(settings.seed, lesson.batch)
    with reproducible(seed, settings.training.threads):
        learner = _learner(base, lesson, settings, strategy, replayed, seed, cache)
        learner.classifier.prepare(learner.tokens, preparing)
        guard = strategy.guard(learner)
        strategy.fit(learner, guard, progress)
        method, own = METHODS[settings.adapter.method], learner.classifier
        memory = [ref.to_json() for ref in strategy.remember(situation)]
        parts = (
            Part("adapter", "answers", partial(_save_adapter, method, own.body.model, base.name)),
            tensors_part("head", "answers", own.head.state_dict()),
            json_part("labels", "answers", list(own.labels)),
            strategy_part(guard.finish()),
            json_part("memory", "learns", memory),
        )
        state = _state(base, lesson, settings, strategy, replayed, own.body)
        return write_bundle(bundles, state, parts)


def _save_adapter(method: Method, model: nn.Module, base_name: str, folder: Path) -> None:
    method.save(model, base_name, folder / "adapter")


def _check(base: Base, lesson: Lesson, settings: Settings) -> None:
    if not lesson.items:
        raise DataRejected(
            f"Batch {lesson.batch[:12]} has no rows to train on: all of them are holdout"
            " rows or near-duplicates of holdout rows.",
            "Lower `holdout.fraction`, or send a batch with new rows.",
        )
    if lesson.parent is None:
        return
    check_base(base, lesson.parent)
    before, now = lesson.parent.state["adapter"], settings.adapter.model_dump()
    changed = [name for name in now if now[name] != before.get(name)]
    if changed:
        pairs = "; ".join(f"`adapter.{n}` {before.get(n)!r} -> {now[n]!r}" for n in changed)
        raise ConfigError(
            f"The adapter settings are not those of the parent version: {pairs}.",
            "Set them back; a differently shaped adapter starts in a root of its own.",
        )


def _situation(lesson: Lesson, settings: Settings) -> Situation:
    return Situation(
        new=tuple(references(lesson.batch, lesson.items)),
        memory=remembered(lesson.parent),
        settings=settings.strategy,
        seed=settings.seed,
    )


def _learner(
    base: Base,
    lesson: Lesson,
    settings: Settings,
    strategy: Strategy,
    replayed: tuple[Item, ...],
    seed: int,
    cache: ActivationCache | None,
) -> Learner:
    import torch

    parent, placement = lesson.parent, placement_of(settings)
    rows = {item.digest: item for item in (*replayed, *lesson.items)}
    items = tuple(rows[digest] for digest in sorted(rows))
    labels = grown_labels(parent.labels if parent else (), {item.label for item in items})
    body = make_body(base, placement, partial(_trainable, parent, settings), cache)
    tensors = parent.head_tensors() if parent else None
    head = HEADS[strategy.head](tensors, base.hidden_size, len(labels)).to(placement.device)
    places = {label: place for place, label in enumerate(labels)}
    encode = ENCODERS[items[0].modality]
    return Learner(
        classifier=Classifier(base, body, head, labels, placement, encode),
        items=items,
        tokens=encode(base, [item.content for item in items], placement.max_tokens),
        targets=torch.tensor([places[item.label] for item in items]),
        settings=settings,
        seed=seed,
        parent=parent,
    )


def _trainable(parent: Bundle | None, settings: Settings, fork: nn.Module) -> nn.Module:
    """The base's own modules stay in eval mode; what the method added is set to train."""
    method = METHODS[settings.adapter.method]
    frozen = {id(module) for module in fork.modules()}
    if parent is None:
        model = method.attach(fork, settings.adapter)
    else:
        model = method.load(fork, parent.adapter, True)
    for module in model.modules():
        module.training = id(module) not in frozen
    return model


def _state(
    base: Base,
    lesson: Lesson,
    settings: Settings,
    strategy: Strategy,
    replayed: tuple[Item, ...],
    body: Body,
) -> dict[str, Any]:
    return {
        "adapter": settings.adapter.model_dump(),
        "anchors": lesson.anchors,
        "base": {"digest": base.digest, "name": base.name},
        "batch": lesson.batch,
        "device": resolve_device(settings.training.device),
        "frozen": str(body.lower.view) if body.lower else None,
        "head": strategy.head,
        "kind": "classifier",
        "key": lesson_key(base, lesson, settings),
        "libraries": library_versions(),
        "modality": lesson.items[0].modality,
        "parent": lesson.parent.digest if lesson.parent else None,
        "precision": settings.training.precision,
        "seed": settings.seed,
        "serving": {"max_tokens": settings.model.max_tokens},
        "settings": settings.training_digest(),
        "strategy": settings.strategy.method,
        "trained": {
            "new": dict(Counter(item.task for item in lesson.items)),
            "replayed": dict(Counter(item.task for item in replayed)),
        },
        "uncut": body.uncut,
        "wall": lesson.wall,
    }
