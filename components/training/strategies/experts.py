"""Experts: an adapter and a head for each new task or label set; earlier ones are never touched.

A batch whose (task, label) pairs one expert knows is learned by that expert; any other opens one.

Source: Wang et al. 2022, S-Prompts, section 3; with LoRA, Wistuba et al. 2024 (arXiv 2406.03216),
section 3; the centroids as in Renate 0.5's `TaskPrototypes` (5 a task, of unit features).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.model.bundle import Part, json_part
from components.model.experts import Saved, saved_experts
from components.model.heads.linear import grown_labels
from components.model.tensors import read_tensors, write_tensors
from components.training.origin import Items, Origin
from components.training.routing import add_centroids, add_means, as_router
from components.training.strategies.strategy import Strategy

if TYPE_CHECKING:
    from components.model.base import Base
    from components.model.bundle import Bundle
    from components.settings import Settings
    from components.training.learner import Learner

Pairs = set[tuple[str, str]]


def origin(base: Base, parent: Bundle | None, items: Items, settings: Settings) -> Origin:
    """Go on from the expert that knows the batch, or from the base."""
    experts, number = _experts(parent), _number(parent, items)
    if number == len(experts):
        return Origin()
    own = experts[number]
    return Origin(own.adapter, read_tensors(own.head), own.labels)


def start(learner: Learner) -> tuple[Part, ...]:
    """Open the part with the other experts and the router, and name all labels."""
    parent, labels = learner.parent, learner.classifier.labels
    experts, number = _experts(parent), _number(parent, learner.items)
    known, state = _known(parent), parent.tensors("routes") if parent else {}
    own = {(item.task, item.label) for item in learner.items}
    pairs = [*known, own] if number == len(known) else [*known]
    pairs[number] = pairs[number] | own
    every = [list(each.labels) for each in experts] + [[]] * (number == len(experts))
    every[number] = list(labels)
    features = learner.frozen_features(range(len(learner.items)))
    settings = learner.strategy
    if settings.router == "nearest":
        state = add_centroids(state, features, number, settings.clusters, learner.settings.seed)
    else:
        state = add_means(state, features, learner.targets, number)
    told = {"labels": every, "latest": number, "pairs": [sorted(map(list, each)) for each in pairs]}
    shared = grown_labels(parent.labels if parent else (), set(labels))
    return (
        Part("experts", "answers", lambda folder: _write(folder, experts, told, state)),
        Part(
            "routes", "learns", lambda folder: write_tensors(folder / "routes.safetensors", state)
        ),
        json_part("labels", "answers", list(shared)),
    )


def _write(folder: Path, experts: list[Saved], told: dict[str, Any], state: Any) -> None:
    json_part("experts", "answers", told).write(folder)
    place = folder / "experts"
    place.mkdir()
    write_tensors(place / "router.safetensors", as_router(state))
    for number, own in enumerate(experts):
        if number != told["latest"]:
            shutil.copytree(own.adapter, place / str(number) / "adapter")
            shutil.copyfile(own.head, place / str(number) / "head.safetensors")


def _experts(parent: Bundle | None) -> list[Saved]:
    return saved_experts(parent) if parent else []


def _known(parent: Bundle | None) -> list[Pairs]:
    told = parent.read_json("experts.json")["pairs"] if parent else []
    return [{(task, label) for task, label in pairs} for pairs in told]


def _number(parent: Bundle | None, items: Items) -> int:
    """Return the expert that knows all of a batch, or the number of the next one."""
    own, known = {(item.task, item.label) for item in items}, _known(parent)
    return next((place for place, pairs in enumerate(known) if own <= pairs), len(known))


STRATEGY = Strategy(
    keeps="An adapter and a head for each new task or label set; of the rows, a few centroids of"
    " features (or two sums over all of them).",
    origin=origin,
    start=start,
    kind="experts",
)
