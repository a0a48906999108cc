"""Learn one batch: a lesson and its parent's bundle in, a candidate's bundle out.

Concept: the room's front door. It gathers the rows, puts the model together, lets the
strategy train it and writes the bundle; each of these steps lives in its own module.

Promise: law 7. The same lesson with the same base, settings and libraries gives the same
bytes on one machine, in whatever process, however often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.digest import json_digest
from components.errors import ConfigError, DataRejected
from components.items import Item
from components.model.adapters import METHODS
from components.model.bundle import (
    FORMAT,
    Bundle,
    NotFinite,
    Part,
    json_part,
    listing,
    strategy_part,
    tensors_part,
    write_bundle,
)
from components.model.classifier import Classifier, check_base, make_body
from components.model.determinism import derived_seed, reproducible, resolve_device
from components.model.encoding import ENCODERS, pad
from components.model.frozen import POOLED, Frozen
from components.model.heads import HEADS, means_read
from components.model.heads.linear import grown_labels
from components.model.libraries import library_versions
from components.model.placement import placement_of
from components.model.progress import Progress, silent
from components.settings import Settings
from components.settings.section import member, sections_of
from components.training.early_stopping import slice_of
from components.training.learner import Learner
from components.training.loop import diverged
from components.training.memory import MemoryRef, references, remembered
from components.training.strategies import STRATEGIES
from components.training.strategies.strategy import Situation, Strategy
from components.training.turn import check_turn, is_turn, shape_of, turned

if TYPE_CHECKING:
    from torch import Tensor, nn

    from components.model.activation_cache import ActivationCache
    from components.model.adapters.method import Inputs, Method, Sample
    from components.model.base import Base
    from components.model.placement import Placement
    from components.settings import AdapterSettings


SAMPLED_ROWS, SAMPLED_AT_ONCE = 256, 32
"""Rows of the first batch that a method may look at before it starts, and in one pass."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a candidate learns from.

    batch: the batch's digest. items: its training rows, holdout rows taken out already.
    parent: the champion's bundle, None for the first. anchors: task -> bundle digest.
    wall: the digest of all that may never be trained on. replayed: the items of
    `replayed_refs` that still exist; erased ones are left out. renamed: earlier name of a task
    -> what it is called now. adapt: the gate said that a head alone is not enough.
    """

    batch: str
    items: tuple[Item, ...]
    parent: Bundle | None
    anchors: dict[str, str]
    wall: str
    replayed: tuple[Item, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    adapt: bool = False


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
            **({"renamed": dict(lesson.renamed)} if lesson.renamed else {}),
            **({"adapt": True} if lesson.adapt else {}),
        }
    )


def replayed_refs(lesson: Lesson, settings: Settings) -> tuple[MemoryRef, ...]:
    """Return which remembered rows to train on as well; who can read them fills in `replayed`."""
    situation = _situation(lesson, settings)
    if is_turn(lesson.parent, settings):
        return tuple(situation.known)
    return STRATEGIES[settings.strategy.method].replay(situation)


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
        ConfigError: base or adapter are not the parent's, or the strategy does not fit them.
        NeedsHuman: training diverged, or left a number that is not finite in any part.
    """
    _check(base, lesson, settings)
    strategy = STRATEGIES[settings.strategy.method]
    situation = _situation(lesson, settings)
    seed = derived_seed(settings.seed, lesson.batch)
    with reproducible(seed, settings.training.threads):
        learner = _learner(base, lesson, settings, strategy, seed, situation, cache)
        opened = strategy.start(learner)
        learner = replace(learner, opened={part.name: part for part in opened})
        learner.prepare(preparing)
        guard = strategy.guard(learner)
        steps = strategy.fit(learner, guard, progress)
        memory = strategy.remember(situation, partial(_features, learner, situation.new))
        parts = (
            *_model_parts(learner, opened),
            strategy_part(guard.finish(memory)),
            json_part("memory", "learns", [ref.to_json() for ref in memory]),
        )
        assert len({part.name for part in parts}) == len(parts)
        try:
            state = _state(base, lesson, settings, strategy, learner, steps)
            return write_bundle(bundles, state, parts)
        except NotFinite as found:
            raise diverged(settings.training, found.fault) from found


def draft(
    base: Base,
    folder: Path,
    lesson: Lesson,
    settings: Settings,
    cache: ActivationCache | None = None,
) -> int:
    """Write what a version of this lesson would answer with, untrained, and return its bytes.

    Numbers take as many bytes before they are trained as after it, so what a version will weigh
    under any strategy is known without training.

    Args:
        base: the frozen model; is not changed.
        folder: an empty one, for the files of all parts that decide answers.
        lesson: rows, of which the labels matter most.
        settings: of the root, nothing left on `auto` but the device.
        cache: where the frozen layers' states are kept.

    Raises:
        ConfigError: as `learn`.
    """
    _check(base, lesson, settings)
    strategy = STRATEGIES[settings.strategy.method]
    situation = _situation(lesson, settings)
    seed = derived_seed(settings.seed, lesson.batch)
    with reproducible(seed, settings.training.threads):
        learner = _learner(base, lesson, settings, strategy, seed, situation, cache)
        for part in _model_parts(learner, strategy.start(learner)):
            if part.role == "answers":
                part.write(folder)
    return sum((folder / name).stat().st_size for name in listing(folder))


def _model_parts(learner: Learner, opened: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return adapter, head and labels as they are now, and what the strategy opened."""
    head = learner.classifier.head.state_dict()
    parts = (_adapter_part(learner), tensors_part("head", "answers", head), *opened)
    if not any(part.name == "labels" for part in opened):
        parts += (json_part("labels", "answers", list(learner.classifier.labels)),)
    return parts


def _features(learner: Learner, refs: Iterable[MemoryRef]) -> Tensor:
    """Return the features of rows of the lesson, (n_refs, hidden_size)."""
    places = {item.digest: place for place, item in enumerate(learner.items)}
    return learner.features([places[ref.item] for ref in refs])


def _adapter_part(learner: Learner) -> Part:
    def write(folder: Path) -> None:
        learner.method.save(learner.model, learner.classifier.base.name, folder / "adapter")

    return Part("adapter", "answers", write)


def _check(base: Base, lesson: Lesson, settings: Settings) -> None:
    if not lesson.items:
        raise DataRejected(
            f"Batch {lesson.batch[:12]} has no rows to train on: all are holdout rows or "
            "near-duplicates of holdout rows.",
            "Lower `holdout.fraction`, or send a batch with new rows. Labels of an exam are "
            "changed by `ratchet exam relabel`.",
        )
    _check_fit(base, settings)
    if lesson.parent is not None:
        check_base(base, lesson.parent)
        _check_shape(lesson.parent, settings.adapter)
        check_turn(lesson.parent, settings)


def misfit(base: Base, settings: Settings) -> str | None:
    """Return why the adapter can't be learned here, as the end of a sentence; None where it can.

    Looked at are the base, the room for its tokens, and the strategy: all that `learn` refuses.
    """
    own, named = settings.adapter, settings.strategy.method
    if reason := METHODS[own.method].refusal(base.model, own):
        return reason
    if crowded := _crowded(base, settings):
        return f"it {crowded}"
    if reason := STRATEGIES[named].fits(settings, base):
        return f"`strategy.method` {named} can't use it: {reason}"
    return None


def _crowded(base: Base, settings: Settings) -> str | None:
    """Say that the adapter's tokens and the longest text have no room together, if so."""
    own = settings.adapter
    taken, longest = METHODS[own.method].positions(own), settings.model.max_tokens
    if longest + taken <= base.max_tokens:
        return None
    return (
        f"puts {taken} tokens before a text of up to `model.max_tokens` {longest}, and"
        f" {base.name} takes at most {base.max_tokens} together"
    )


def _check_fit(base: Base, settings: Settings) -> None:
    own = settings.adapter
    if reason := METHODS[own.method].refusal(base.model, own):
        fitting = [n for n, each in METHODS.items() if not _refused(base, n, each)]
        raise ConfigError(
            f"`adapter.method` is {own.method}, which can't be used with {base.name}: {reason}.",
            f"Change that, or set `adapter.method` to one of: {', '.join(fitting)}.",
        )
    if crowded := _crowded(base, settings):
        room = base.max_tokens - METHODS[own.method].positions(own)
        raise ConfigError(
            f"`adapter.method` {own.method} {crowded}.",
            f"Set `model.max_tokens` to {room} or less.",
        )
    named = settings.strategy.method
    refusal = STRATEGIES[named].fits(settings, base)
    if refusal:
        fitting = [n for n, each in STRATEGIES.items() if not _misfits(base, n, each, settings)]
        raise ConfigError(
            f"`strategy.method` is {named}, which can't be used here: {refusal}.",
            f"Change that, or set `strategy.method` to one of: {', '.join(fitting)}.",
        )


def _refused(base: Base, name: str, method: Method) -> bool:
    kinds = sections_of(Settings, "adapter")
    return method.refusal(base.model, member(kinds, name)()) is not None


def _misfits(base: Base, name: str, strategy: Strategy, settings: Settings) -> bool:
    own = member(sections_of(Settings, "strategy"), name)()
    return strategy.fits(settings.model_copy(update={"strategy": own}), base) is not None


def _check_shape(parent: Bundle, now: AdapterSettings) -> None:
    before, method = parent.state["adapter"], now.method
    shape = METHODS[method].shape if method == before["method"] else ("method",)
    pairs = [(name, before.get(name, now.default_of(name)), getattr(now, name)) for name in shape]
    changed = [f"`adapter.{name}` {old!r} -> {new!r}" for name, old, new in pairs if old != new]
    if changed:
        raise ConfigError(
            f"The adapter settings differ from those of the parent version: {'; '.join(changed)}.",
            "Set them back; an adapter with another shape needs a separate root.",
        )


def _situation(lesson: Lesson, settings: Settings) -> Situation:
    return Situation(
        new=tuple(sorted(references(lesson.batch, lesson.items))),
        memory=remembered(lesson.parent, lesson.renamed),
        settings=settings.strategy,
        seed=settings.seed,
        training=settings.training,
    )


def _learner(
    base: Base,
    lesson: Lesson,
    settings: Settings,
    strategy: Strategy,
    seed: int,
    situation: Situation,
    cache: ActivationCache | None,
) -> Learner:
    import torch

    placement = placement_of(settings)
    new = {item.digest: item for item in lesson.items}
    rows = {item.digest: item for item in lesson.replayed} | new
    items = tuple(rows[digest] for digest in sorted(rows))
    parent, beside = lesson.parent, strategy.beside(situation)
    if parent is not None and is_turn(parent, settings):
        origin, parent, beside = turned(base, parent, items, settings), None, len(lesson.replayed)
    else:
        origin = strategy.origin(base, parent, items, settings)
    labels = grown_labels(origin.labels, {item.label for item in items})
    encode = ENCODERS[items[0].modality]
    tokens = encode(base, [item.content for item in items], placement.max_tokens)
    sample = partial(_sample, base, placement, tokens)
    attach = partial(_trainable, origin.adapter, settings.adapter, sample)
    grow = partial(
        HEADS[strategy.head(settings.strategy)], origin.head, base.hidden_size, len(labels)
    )
    with torch.random.fork_rng(devices=[]):  # what the adapter draws must not depend on the head
        means = means_read(grow())
    body = make_body(base, placement, attach, cache, means)
    head = grow().to(placement.device)
    places = {label: place for place, label in enumerate(labels)}
    classifier = Classifier(base, body, head, labels, placement, encode)
    return Learner(
        batch=lesson.batch,
        classifier=classifier,
        items=items,
        tokens=tokens,
        targets=torch.tensor([places[item.label] for item in items]),
        replayed=torch.tensor([item.digest not in new for item in items]),
        beside=beside,
        looked_at=slice_of(len(items), settings.training.patience, seed),
        settings=settings,
        seed=seed,
        parent=parent,
        method=METHODS[settings.adapter.method],
        adapt=lesson.adapt,
        frozen=body.whole or Frozen(base, placement, POOLED, cache),
    )


def _sample(base: Base, placement: Placement, tokens: list[list[int]]) -> list[Inputs]:
    """Return up to `SAMPLED_ROWS` rows, evenly spread over all, as a model is called with them."""
    rows = sorted(tokens[:: max(1, len(tokens) // SAMPLED_ROWS)][:SAMPLED_ROWS], key=len)
    found = []
    for start in range(0, len(rows), SAMPLED_AT_ONCE):
        part = rows[start : start + SAMPLED_AT_ONCE]
        ids, mask = pad(part, len(part[-1]), base.pad_id)
        device = placement.device
        found.append({"input_ids": ids.to(device), "attention_mask": mask.to(device)})
    return found


def _trainable(
    saved: Path | None, settings: AdapterSettings, sample: Sample, fork: nn.Module
) -> nn.Module:
    """The base's own modules stay in eval mode; what the method added is set to train."""
    method = METHODS[settings.method]
    frozen = {id(module) for module in fork.modules()}
    if saved is None:
        model = method.attach(fork, settings, sample)
    else:
        model = method.load(fork, saved, True)
    for module in model.modules():
        module.training = id(module) not in frozen
    return model


def _state(
    base: Base,
    lesson: Lesson,
    settings: Settings,
    strategy: Strategy,
    learner: Learner,
    steps: int,
) -> dict[str, Any]:
    body = learner.classifier.body
    frozen = "all layers" if learner.bare else str(body.lower.view) if body.lower else None
    return {
        "adapter": settings.adapter.model_dump(),
        "anchors": lesson.anchors,
        "base": {"digest": base.digest, "name": base.name},
        "batch": lesson.batch,
        "device": resolve_device(settings.training.device),
        "frozen": frozen,
        "head": strategy.head(settings.strategy),
        "head_shape": shape_of(learner.parent)
        if learner.parent
        else strategy.head_shape(settings.strategy),
        "kind": strategy.kind,
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
            "replayed": dict(Counter(item.task for item in lesson.replayed)),
            "steps": steps,
        },
        "uncut": None if frozen else body.uncut,
        "wall": lesson.wall,
    }
