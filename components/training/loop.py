"""Gradient descent over a lesson: AdamW, two learning rates, batches of like lengths.

Concept: rows of like length share a batch (half the work of random ones), and the batches
come in a shuffled order. The loop starts where the learner's rows enter the lowest adapted
layer; what lies below was computed once (`frozen`). What comes out is a mean over the last
steps, mixed with the parent (`averaging`).

Promise: order of batches and weights depend on the learner's seed alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.errors import NeedsHuman
from components.training import averaging, early_stopping

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from components.model.progress import Progress
    from components.settings import TrainingSettings
    from components.training.guard import Guard
    from components.training.learner import Learner

POOL_BATCHES = 16
"""Batches' worth of shuffled rows that are sorted by length together."""


def descend(learner: Learner, guard: Guard, progress: Progress) -> int:
    """Train the learner's adapter, head and opened parts in place; return the steps taken.

    Args:
        learner: rows and model.
        guard: the strategy's hooks.
        progress: told (steps done, steps).

    Raises:
        NeedsHuman: the loss is no longer a finite number.
    """
    settings = learner.settings.training
    judge = early_stopping.Judge(learner) if learner.looked_at else None
    new, old = _new_and_remembered(learner)
    share = min(learner.beside, len(old))
    epochs, steps = schedule(len(new) + share, settings)
    optimizer = _optimizer(learner, settings)
    trained = [weight for group in optimizer.param_groups for weight in group["params"]]
    parent = averaging.copies(trained)
    tail = averaging.Tail(trained, steps, settings.averaged_share if judge is None else 0.0)
    rates = [group["lr"] for group in optimizer.param_groups]
    warmup = min(settings.warmup_steps, steps // 2)
    done = 0
    for epoch in range(epochs):
        turn = epoch // settings.epochs
        rows = sorted(new + [old[(turn * share + each) % len(old)] for each in range(share)])
        lengths = [len(learner.tokens[row]) for row in rows]
        for batch in bucketed(lengths, settings.batch_size, f"{learner.seed}:{epoch}"):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * _pace(done, warmup, steps)
            place = f"step {done + 1} of {steps}"
            _update(learner, guard, optimizer, [rows[each] for each in batch], place)
            done += 1
            learner.method.after_step(learner.model, done, steps)
            tail.add(done)
            progress(done, steps)
        if judge is not None and judge.has_seen_enough():
            progress(steps, steps)
            break
    tail.put()
    if judge is not None:
        judge.restore_best()
    if learner.parent is not None:
        averaging.mix(trained, parent, learner.strategy.update_share)
    return done


def schedule(rows: int, settings: TrainingSettings) -> tuple[int, int]:
    """Return how many epochs and steps so many rows an epoch are trained for.

    A small batch is seen more often, until at least `min_steps` were taken.
    """
    each = math.ceil(rows / settings.batch_size)
    epochs = max(settings.epochs, math.ceil(settings.min_steps / each))
    return epochs, epochs * each


def rounds(rows: int, settings: TrainingSettings) -> int:
    """Return how often `epochs` are run through; each time beside other remembered rows."""
    return math.ceil(schedule(rows, settings)[0] / settings.epochs)


def _new_and_remembered(learner: Learner) -> tuple[list[int], list[int]]:
    """Return the rows that every epoch goes through, and those that the rounds share, shuffled."""
    replayed: list[bool] = learner.replayed.tolist()
    new = [row for row in learner.train_rows if not replayed[row]]
    old = [row for row in learner.train_rows if replayed[row]]
    random.Random(f"{learner.seed}:remembered").shuffle(old)
    return new, old


def _pace(done: int, warmup: int, steps: int) -> float:
    """Return the share of the learning rate at a step: up in `warmup` steps, then down to 0.

    The slow end averages out the noise of the last rows.
    """
    rise = (done + 1) / warmup if warmup else 1.0
    return min(rise, (steps - done) / max(1, steps - warmup), 1.0)


def bucketed(lengths: Sequence[int], size: int, seed: str) -> list[list[int]]:
    """Return the rows in batches of at most `size`, like lengths together, shuffled.

    Law: every row stands in exactly one batch.
    """
    shuffle = random.Random(seed)
    rows = list(range(len(lengths)))
    shuffle.shuffle(rows)
    pool = size * POOL_BATCHES
    batches = []
    for start in range(0, len(rows), pool):
        near = sorted(rows[start : start + pool], key=lambda row: lengths[row])
        batches += [near[place : place + size] for place in range(0, len(near), size)]
    shuffle.shuffle(batches)
    return batches


def _optimizer(learner: Learner, settings: TrainingSettings) -> Optimizer:
    import torch

    rate, own = settings.learning_rate, learner.method.groups(learner.model)
    wide = rate * learner.settings.adapter.rate_factor
    groups = [
        *({"params": weights, "lr": wide * factor} for weights, factor in own),
        {"params": learner.head_weights(), "lr": settings.head_learning_rate},
        {"params": learner.opened_weights(), "lr": rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    grouped = [id(weight) for group in optimizer.param_groups for weight in group["params"]]
    assert sorted(grouped) == sorted(map(id, learner.weights()))
    return optimizer


def _update(
    learner: Learner, guard: Guard, optimizer: Optimizer, rows: list[int], place: str
) -> None:
    optimizer.zero_grad(set_to_none=True)
    for part in learner.parts(rows):
        loss = guard.loss(learner.forward(part)) + learner.method.penalty(learner.model)
        loss = loss * (len(part) / len(rows))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise diverged(learner.settings.training, f"the loss is {value} at {place}")
        loss.backward()  # type: ignore[no-untyped-call]
    guard.before_update()
    optimizer.step()
    guard.after_update()


def diverged(rates: TrainingSettings, what: str) -> NeedsHuman:
    """Return the error that says what is not a finite number any more."""
    return NeedsHuman(
        f"Training diverged: {what}, with `training.learning_rate` {rates.learning_rate} and"
        f" `training.head_learning_rate` {rates.head_learning_rate}.",
        "Lower the learning rates (try a third) and run the batch again.",
    )
