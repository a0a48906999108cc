"""What may be wrong with a pool: inputs of another kind, and inputs that say the same.

Concept: what a pool shows holds for inputs such as its own. It was picked by people, so it is
compared with the task's held-out rows. And the bounds take every input for one of its own: where
many say nearly the same, one of each kind decides.

Promise: both are said, as a drift finding named `pool`; with policy `ignore` nothing is looked at,
and all inputs decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from components.gate.verdicts import DriftNote
from components.pipeline.drift_survey import sample, side_of
from components.pipeline.exams import Exam
from components.pipeline.preparation import Prepared
from components.workspace.root import Workspace

if TYPE_CHECKING:
    import numpy as np

    from components.evaluation.drift import Side
    from components.items import Item

    Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]

ALIKE = 0.95
"""Cosine, of embeddings without their mean, from which two inputs say the same."""

COUNTS_ENOUGH = 0.67
"""Where inputs count like a smaller share of their number, one of each kind decides."""


def deciding(ws: Workspace, prepared: Prepared) -> Prepared:
    """Return the batch with those inputs of its pools that decide."""
    if ws.settings.drift.policy_of("pool") == "ignore":
        return prepared
    pools = (replace(pool, items=_one_of_each(ws, pool)) for pool in prepared.pools)
    return replace(prepared, pools=tuple(pools))


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
    size, kept = len(pool.items), len(_one_of_each(ws, pool))
    if kept < size:
        yield (
            f"{pool.task}: many inputs of the pool say nearly the same: {kept:,} of {size:,} "
            "decide, one of each kind; add inputs of other kinds."
        )


def _one_of_each(ws: Workspace, pool: Exam) -> tuple[Item, ...]:
    """Return all inputs, or one of each kind where they count like far fewer than they are."""
    few, size = sample(pool.items, ws.settings.drift.sample_items), len(pool.items)
    if independent(_unit(side_of(ws, few)), size) >= COUNTS_ENOUGH * size:
        return pool.items
    unit = _unit(side_of(ws, pool.items))
    return tuple(pool.items[place] for place in distinct(unit))


def distinct(unit: Matrix) -> list[int]:
    """Return the places of rows, in order, of which none says the same as an earlier one of them.

    Args:
        unit: (rows, features), of length one.
    """
    import numpy as np

    kept: list[int] = []
    for place, row in enumerate(unit):
        if not kept or float(np.max(unit[kept] @ row)) < ALIKE:
            kept.append(place)
    return kept


def _unit(inputs: Side) -> Matrix:
    """Return the embeddings without their mean, each of length one; (inputs, features)."""
    import numpy as np

    moved = inputs.embeddings - np.mean(inputs.embeddings, axis=0)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    unit: Matrix = moved / np.maximum(lengths, 1e-12)
    return unit


def independent(unit: Matrix, size: int) -> float:
    """Return how many independent inputs a pool of `size` counts like, judged by a sample of it.

    With a share q of pairs that say the same, and are answered alike, the variance of a mean is
    1 + (size - 1) q times that of independent inputs: Kish 1965, Survey Sampling, design effect.
    """
    import numpy as np

    rows = len(unit)
    if rows < 2:
        return size
    pairs = (unit @ unit.T)[np.triu_indices(rows, 1)]
    return size / (1 + (size - 1) * float(np.mean(pairs >= ALIKE)))
