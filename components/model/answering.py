"""The front door: a bundle and its base in, something that answers out.

Concept: `load_version` makes an `Answerer` of an opened bundle. `predict` keeps the last few,
`serving.open_served` finds the base first, `open_version` starts from a folder. `state.json` names
the kind of a version, and of its adapter, its head and what it answers to; each kind is a row of a
table. `Answerer` is all that the gate, the command line and a served model see.

Promise: a text's answer does not depend on the other texts (see `encoding` for the fixed shapes
that hold this, and for what remains). A kind that this code does not know is refused, never
guessed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..digest import json_digest
from ..errors import ConfigError
from .adapters import METHODS
from .bundle import Bundle, open_bundle
from .classifier import check_base, load_classifier
from .determinism import fixed_threads
from .encoding import ENCODERS
from .experts import load_experts
from .heads import HEADS
from .placement import Placement
from .pool import POOL, Pool, attach_pool
from .prediction import Prediction, from_logits
from .progress import Progress, silent

if TYPE_CHECKING:
    from .activation_cache import ActivationCache
    from .base import Base
    from .classifier import Classifier

KEPT_VERSIONS = 4
"""Champion, candidate, anchor and one to spare; each adds its adapter alone to the memory."""


class Answerer(Protocol):
    """A version that answers."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it tells apart."""

    def answer(self, texts: Sequence[str], progress: Progress = silent) -> Prediction:
        """Return the answers to any strings, in their order; `progress`: (texts done, texts)."""

    def parts(self, task: str) -> str:
        """Return the digest of all parts that decide this task's answers."""


@dataclass(frozen=True, slots=True)
class TextClassifier:
    """An adapted encoder or decoder with one head for all tasks."""

    bundle: Bundle
    classifier: Classifier

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it tells apart."""
        return self.bundle.labels

    def answer(self, texts: Sequence[str], progress: Progress = silent) -> Prediction:
        """Answer the texts."""
        with fixed_threads(self.classifier.placement.threads):
            return from_logits(self.classifier.logits(texts, progress), self.labels)

    def parts(self, task: str) -> str:
        """Return one digest for all tasks: they share adapter and head."""
        return _all_parts(self.bundle, task)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of versions.

    load: (base, bundle, placement, cache) -> a version that answers.
    parts: (bundle, task) -> digest of the parts that decide the task's answers, read from the
        bundle alone.
    """

    load: Callable[[Base, Bundle, Placement, ActivationCache | None], Answerer]
    parts: Callable[[Bundle, str], str]


def _load_classifier(
    base: Base, bundle: Bundle, placement: Placement, cache: ActivationCache | None
) -> Answerer:
    return TextClassifier(bundle, load_classifier(base, bundle, placement, cache))


def _load_pool(
    base: Base, bundle: Bundle, placement: Placement, cache: ActivationCache | None
) -> Answerer:
    classifier = load_classifier(base, bundle, placement, cache, merged=False)
    saved = bundle.tensors(POOL)
    pool = Pool(saved["keys"], int(saved["top"]))
    method = bundle.state["adapter"]["method"]
    attach_pool(classifier.body.model, method, base, placement, pool)
    return TextClassifier(bundle, classifier)


def _all_parts(bundle: Bundle, task: str) -> str:
    return json_digest(bundle.answering())


KINDS: dict[str, Kind] = {
    "classifier": Kind(_load_classifier, _all_parts),
    "pool": Kind(_load_pool, _all_parts),
    "experts": Kind(load_experts, _all_parts),
}
"""What `kind` in `state.json` may name."""

_OPEN: OrderedDict[tuple[str, str, Placement, ActivationCache | None], Answerer] = OrderedDict()


def open_version(
    folder: Path,
    base: Base,
    placement: Placement | None = None,
    cache: ActivationCache | None = None,
) -> Answerer:
    """Verify the bundle in `folder`, which is called by its digest, and let it answer.

    Args:
        folder: the bundle.
        base: the base that it was trained on.
        placement: how to compute; by default float32 on the CPU. Its `max_tokens` is replaced by
            the bundle's own. The last bits of a probability can depend on it.
        cache: where the frozen layers' states are kept.

    Raises:
        Corrupted: a file is changed, missing or not listed.
        ConfigError: it was trained on another base, or is of a kind that is not known here.
    """
    return load_version(base, open_bundle(folder.parent, folder.name), placement, cache)


def load_version(
    base: Base,
    bundle: Bundle,
    placement: Placement | None = None,
    cache: ActivationCache | None = None,
) -> Answerer:
    """Return the version that an opened bundle holds; whoever asks holds its memory.

    Raises:
        ConfigError: as `open_version`.
    """
    check_base(base, bundle)
    kind = kind_of(bundle)
    if placement is None:
        placement = Placement("cpu", "float32", bundle.max_tokens, 1)
    return kind.load(base, bundle, replace(placement, max_tokens=bundle.max_tokens), cache)


def answerer(
    base: Base, bundle: Bundle, placement: Placement, cache: ActivationCache | None = None
) -> Answerer:
    """Return what `load_version` does; the last few versions stay loaded.

    Raises:
        ConfigError: as `open_version`.
    """
    key = (base.digest, bundle.digest, placement, cache)
    if key not in _OPEN:
        _OPEN[key] = load_version(base, bundle, placement, cache)
    _OPEN.move_to_end(key)
    while len(_OPEN) > KEPT_VERSIONS:
        _OPEN.popitem(last=False)
    return _OPEN[key]


def deciding_parts(bundle: Bundle, task: str) -> str:
    """Return what `Answerer.parts` returns, without loading a model."""
    return kind_of(bundle).parts(bundle, task)


def kind_of(bundle: Bundle) -> Kind:
    """Return the row of a bundle's kind; its adapter's, head's and modality's are known as well.

    Raises:
        ConfigError: one of them is not known here.
    """
    state = bundle.state
    named: dict[str, tuple[str, Mapping[str, object]]] = {
        "kind": (state["kind"], KINDS),
        "adapter method": (state["adapter"]["method"], METHODS),
        "head": (state["head"], HEADS),
        "modality": (state["modality"], ENCODERS),
    }
    for what, (name, table) in named.items():
        if name not in table:
            raise ConfigError(
                f"Bundle {bundle.digest[:12]} has the {what} {name!r}; this version of "
                f"Ratchet has {', '.join(sorted(table))}.",
                "Use the version of Ratchet that wrote it, or a newer one.",
            )
    return KINDS[state["kind"]]


def predict(
    base: Base,
    bundle: Bundle,
    texts: Sequence[str],
    placement: Placement,
    cache: ActivationCache | None = None,
    progress: Progress = silent,
) -> Prediction:
    """Answer `texts` with the version that `bundle` holds: `answerer`, then `answer`.

    Raises:
        ConfigError: as `open_version`.
    """
    return answerer(base, bundle, placement, cache).answer(texts, progress)
