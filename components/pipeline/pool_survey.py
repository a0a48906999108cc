"""What may be wrong with a pool: inputs of another kind, and inputs that say the same.

Concept: what a pool shows holds for inputs such as its own. It was picked by people, so it is
compared with the task's held-out rows; and inputs that nearly say the same count like fewer, while
the bounds take each for one of its own.

Promise: it is said, as a drift finding named `pool`, and changes no bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.gate.verdicts import DriftNote
from components.pipeline.drift_survey import sample, side_of
from components.pipeline.exams import Exam
from components.pipeline.preparation import Prepared
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.drift import Side

ALIKE = 0.95
"""Cosine, of embeddings without their mean, from which two inputs say the same."""

COUNTS_ENOUGH = 0.67
"""Inputs that count like a smaller share of their number are told."""


def pool_notes(ws: Workspace, prepared: Prepared) -> list[DriftNote]:
    """Return what is found of every pool of a known task; nothing where `pool` is ignored."""
    policy = ws.settings.drift.policy_of("pool")
    if policy == "ignore":
        return []
    found = []
    for pool in prepared.pools:
        exams = [exam for exam in prepared.exams if exam.task == pool.task]
        sentences = list(_told(ws, pool, exams))
        sentence = " ".join(sentences) or f"{pool.task}: the pool looks like the held-out rows."
        found.append(DriftNote(f"pool of {pool.task}", bool(sentences), policy, sentence))
    return found


def _told(ws: Workspace, pool: Exam, exams: list[Exam]) -> Iterator[str]:
    """Yield what a person should know of a pool."""
    from components.evaluation.drift import Chance, Compared, Measured, domain_classifier

    settings = ws.settings.drift
    inputs = side_of(ws, sample(pool.items, settings.sample_items))
    held = {item.digest: item for exam in exams for item in exam.items}
    rows = side_of(ws, sample(held.values(), settings.sample_items))
    chance = Chance(settings.permutations, ws.settings.seed)
    found = domain_classifier(Compared(rows, inputs, {}, {}, frozenset()), chance)
    if isinstance(found, Measured) and found.p_value <= settings.alpha:
        if found.effect > settings.auc_floor:
            yield (
                f"{pool.task}: the inputs of the pool are of another kind than the held-out rows "
                f"(AUC {found.effect:.2f}, limit {settings.auc_floor:g}): what it shows holds for "
                "such inputs; draw the pool at random from what arrives."
            )
    size = len(pool.items)
    counted = round(independent(inputs, size))
    if counted < COUNTS_ENOUGH * size:
        yield (
            f"{pool.task}: many inputs of the pool say nearly the same: {size:,} count like about "
            f"{counted:,}, so the bounds are narrower than they should be; keep one of a kind."
        )


def independent(inputs: Side, size: int) -> float:
    """Return how many independent inputs a pool of `size` counts like, judged by a sample of it.

    With a share q of pairs that say the same, and are answered alike, the variance of a mean is
    1 + (size - 1) q times that of independent inputs: Kish 1965, Survey Sampling, design effect.
    """
    import numpy as np

    rows = len(inputs.embeddings)
    if rows < 2:
        return size
    moved = inputs.embeddings - np.mean(inputs.embeddings, axis=0)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    unit = moved / np.maximum(lengths, 1e-12)
    pairs = (unit @ unit.T)[np.triu_indices(rows, 1)]
    return size / (1 + (size - 1) * float(np.mean(pairs >= ALIKE)))
