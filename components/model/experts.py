"""Versions of several experts: an adapter and a head each, and a router that finds a text's own.

Concept: the router is linear in the frozen base's unit features: one row a centroid, each owned by
an expert. The nearest centroid's owner answers, among the labels that it learned. Files:

    adapter/ head.safetensors      the expert that learned last
    experts/N/adapter/ ...         each other one, and `experts/N/head.safetensors`
    experts/router.safetensors     weight (rows, hidden_size), bias (rows,), owner (rows,)
    experts.json                   each expert's labels, and which one learned last

Promise: labels that the chosen expert does not know get the smallest probabilities, those of the
next best experts first.

Source: Wang et al. 2022, S-Prompts, section 3.3; with LoRA, Wistuba et al. 2024 (arXiv 2406.03216).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..digest import json_digest
from .classifier import Classifier, assemble
from .determinism import fixed_threads
from .encoding import ENCODERS
from .frozen import POOLED, Frozen
from .prediction import Prediction, from_logits
from .progress import Progress, silent
from .tensors import read_tensors

if TYPE_CHECKING:
    import numpy as np

    from .activation_cache import ActivationCache
    from .base import Base
    from .bundle import Bundle
    from .placement import Placement

OUT_OF_REACH = -30.0
"""The logit of a label of another expert, below which its router's score is added."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One stored expert: its labels, and where its adapter and its head lie."""

    labels: tuple[str, ...]
    adapter: Path
    head: Path


def saved_experts(bundle: Bundle) -> list[Saved]:
    """Return all experts of a version, in the order in which they came."""
    told = bundle.read_json("experts.json")
    found = []
    for number, labels in enumerate(told["labels"]):
        own = bundle.folder / "experts" / str(number)
        if number == told["latest"]:
            own = bundle.folder
        found.append(Saved(tuple(labels), own / "adapter", own / "head.safetensors"))
    return found


@dataclass(frozen=True, slots=True)
class Router:
    """Says which expert is asked.

    weight, bias: float32, (rows, hidden_size) and (rows,). owner: the expert of each row.
    """

    weight: Any
    bias: Any
    owner: Any

    @classmethod
    def of(cls, bundle: Bundle) -> Router:
        """Return a version's router."""
        found = read_tensors(bundle.folder / "experts" / "router.safetensors")
        return cls(*(found[name].numpy() for name in ("weight", "bias", "owner")))

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return each expert's best score for pooled features, (n, experts)."""
        import numpy as np

        lengths = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        rows = (features / lengths) @ self.weight.T + self.bias
        experts = range(int(self.owner.max()) + 1)
        return np.stack([rows[:, self.owner == each].max(axis=1) for each in experts], axis=1)


@dataclass(frozen=True, slots=True)
class Experts:
    """A version that asks one of its experts about each text."""

    bundle: Bundle
    router: Router
    frozen: Frozen
    experts: list[Classifier]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that any expert tells apart."""
        return self.bundle.labels

    def answer(self, texts: Sequence[str], progress: Progress = silent) -> Prediction:
        """Answer the texts, each by its own expert."""
        import numpy as np

        logits = np.full((len(texts), len(self.labels)), OUT_OF_REACH, np.float32)
        if not texts:
            return from_logits(logits.reshape(0, len(self.labels)), self.labels)
        placement = self.experts[0].placement
        with fixed_threads(placement.threads):
            scores = self._scores(texts)
            chosen, done = scores.argmax(axis=1), 0
            places = {label: place for place, label in enumerate(self.labels)}
            for number, expert in enumerate(self.experts):
                columns = [places[label] for label in expert.labels]
                behind = (scores[:, number] - scores.max(axis=1))[:, None]
                logits[:, columns] = np.maximum(logits[:, columns], OUT_OF_REACH + behind)
            for number, expert in enumerate(self.experts):
                rows = [row for row, own in enumerate(chosen.tolist()) if own == number]
                if not rows:
                    continue
                columns = [places[label] for label in expert.labels]
                found = expert.logits([texts[row] for row in rows], silent)
                own = found - found.max(axis=1, keepdims=True)
                logits[np.array(rows)[:, None], np.array(columns)[None]] = own
                done += len(rows)
                progress(done, len(texts))
        return from_logits(logits, self.labels)

    def parts(self, task: str) -> str:
        """Return one digest for all tasks: the router decides over all experts."""
        return json_digest(self.bundle.answering())

    def _scores(self, texts: Sequence[str]) -> np.ndarray:
        placement = self.frozen.placement
        rows = ENCODERS[self.bundle.state["modality"]](
            self.frozen.base, texts, placement.max_tokens
        )
        self.frozen.prepare(rows)
        return self.router.scores(self.frozen.features(rows))


def load_experts(
    base: Base, bundle: Bundle, placement: Placement, cache: ActivationCache | None
) -> Experts:
    """Return a version of several experts, ready to answer."""
    loaded = [
        assemble(base, bundle.state, (each.adapter, each.head), each.labels, placement, cache)
        for each in saved_experts(bundle)
    ]
    return Experts(bundle, Router.of(bundle), Frozen(base, placement, POOLED, cache), loaded)
