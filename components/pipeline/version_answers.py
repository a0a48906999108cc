"""The answers that one examination is based on; each version answers all its items at once.

Promise: if stored answers of a version turn out wrong, none of them is used: the version answers
all its items again, and the ledger records it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

from components.gate.verdicts import Answers
from components.items import Item
from components.ledger.events import ScoresDistrusted
from components.ledger.ledger import Lease
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.score_store import Scored
    from components.evaluation.scoring import Distrusted
    from components.model.bundle import Bundle
    from components.model.placement import Placement


Labels = frozenset[str]


@dataclass(frozen=True, slots=True)
class Given:
    """The versions' answers, and the device and number format used.

    `scored`: bundle digest -> item digest -> answer. `calibrated`: Brier scores and confidences
    are included as well. `distrusted`: the stored answers that turned out wrong. `restricted`:
    labels -> item digest -> what the candidate answers, were it to know these labels alone.
    """

    scored: Mapping[str, Mapping[str, Scored]]
    placement: Placement
    calibrated: bool
    distrusted: tuple[Distrusted, ...]
    restricted: Mapping[Labels, Mapping[str, str]] = field(default_factory=dict)

    def candidate_among(self, labels: Labels, items: Sequence[Item]) -> Answers:
        """Return the candidate's answers to these items, were it to know these labels alone."""
        own = self.restricted[labels]
        correct = [own[item.digest] == item.label for item in items]
        return Answers([item.digest for item in items], correct)

    def by(self, bundle: Bundle, items: Sequence[Item]) -> Answers:
        """Return one version's answers to these items, in their order."""
        scored = self.scored[bundle.digest]
        found = [scored.get(item.digest) for item in items]
        digests = [item.digest for item in items]
        pairs = zip(found, items, strict=True)
        correct = [each.label == item.label if each else None for each, item in pairs]
        if not self.calibrated:
            return Answers(digests, correct)
        return Answers(
            digests,
            correct,
            [_finite(each.brier) if each else None for each in found],
            [_finite(each.confidence) if each else None for each in found],
        )

    def labels(self, bundle: Bundle, items: Sequence[Item]) -> list[str | None]:
        """Return the labels that one version gives these inputs; None where it has no answer."""
        scored = self.scored[bundle.digest]
        found = [scored.get(item.digest) for item in items]
        return [each.label if each else None for each in found]

    def answered(self, bundle: Bundle, items: Sequence[Item]) -> list[tuple[Item, Scored]]:
        """Return these items, each with what one version answers; those without are left out."""
        scored = self.scored[bundle.digest]
        return [(item, scored[item.digest]) for item in items if item.digest in scored]

    def key(self, bundle: Bundle, task: str) -> str:
        """Return the digest of all that decides a version's answers to a task's items."""
        from components.evaluation.scoring import answers_key

        return answers_key(bundle, self.placement, task)


def ask_among(
    ws: Workspace, given: Given, bundle: Bundle, asked: Iterable[tuple[Labels, Sequence[Item]]]
) -> Given:
    """Let one version answer items as if it knew some of its labels alone.

    Raises:
        ConfigError: as `ask`.
    """
    from components.evaluation.scoring import labels_among

    sets, items = set[Labels](), dict[str, Item]()
    for labels, own in asked:
        sets.add(labels)
        items.update({item.digest: item for item in own})
    if not items:
        return given
    show = partial(ws.progress, "scoring")
    restricted = labels_among(
        ws.base, bundle, [*items.values()], sets, given.placement, ws.activations, show
    )
    return replace(given, restricted=restricted)


def ask(ws: Workspace, lease: Lease, asked: Iterable[tuple[Bundle, Sequence[Item]]]) -> Given:
    """Let versions answer items; a version that stands there twice is asked once.

    Raises:
        ConfigError: the base is not the one of a version.
        Retryable, Corrupted: the kept answers cannot be read.
    """
    given = answers_of(ws, asked)
    record_distrusted(ws, lease, given)
    return given


def record_distrusted(ws: Workspace, lease: Lease, given: Given) -> None:
    """Record the stored answers that turned out wrong."""
    for each in given.distrusted:
        ws.ledger.append(ScoresDistrusted(**asdict(each)), lease)


def answers_of(ws: Workspace, asked: Iterable[tuple[Bundle, Sequence[Item]]]) -> Given:
    """Do what `ask` does, and leave it to the caller to record what was distrusted.

    Raises:
        ConfigError: the base is not the one of a version.
        Retryable, Corrupted: the kept answers cannot be read.
    """
    from components.evaluation.scoring import score
    from components.model.placement import placement_of

    bundles: dict[str, Bundle] = {}
    wanted: dict[str, dict[str, Item]] = {}
    for bundle, items in asked:
        bundles[bundle.digest] = bundle
        wanted.setdefault(bundle.digest, {}).update({item.digest: item for item in items})
    placement = placement_of(ws.in_force())
    distrusted: list[Distrusted] = []
    scored = {
        digest: score(
            ws.base,
            bundle,
            list(wanted[digest].values()),
            ws.scores,
            placement,
            ws.activations,
            partial(ws.progress, "scoring"),
            distrusted.append,
        )
        for digest, bundle in bundles.items()
    }
    calibrated = ws.settings.gate.checks.calibration.policy != "ignore"
    return Given(scored, placement, calibrated, tuple(distrusted))


def _finite(value: float) -> float | None:
    """Return None for what is no number: such an answer's calibration is MISSING."""
    return value if isfinite(value) else None
