"""Early stopping: enough is learned when a slice of the training rows no longer gains.

Concept: with `training.patience` above 0, a tenth of the rows is not trained on but judged
after each epoch; when that many epochs bring no lower loss, training ends, and the weights of
the best epoch are put back. The slice comes from the training side of the wall, so no exam
has a say in it.

Source: Prechelt 1998, Early stopping - but when?
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from components.training.averaging import copies, restore

if TYPE_CHECKING:
    from components.training.learner import Learner

SHARE = 0.1
MIN_ROWS = 20
"""A smaller slice says too little; then every epoch is run."""


def slice_of(rows: int, patience: int, seed: int) -> tuple[int, ...]:
    """Return the rows of so many that are looked at and not trained on, in order; often none."""
    places, size = list(range(rows)), int(SHARE * rows)
    if patience == 0 or size < MIN_ROWS:
        return ()
    random.Random(f"{seed}:slice").shuffle(places)
    return tuple(sorted(places[:size]))


class Judge:
    """Watches the loss on the rows that are only looked at, and keeps the best weights."""

    def __init__(self, learner: Learner) -> None:
        self._learner, self._weights = learner, learner.weights()
        self._best, self._kept, self._waited = math.inf, copies(self._weights), 0

    def has_seen_enough(self) -> bool:
        """Look at the present weights; return whether the patience is spent."""
        loss = self._loss()
        if loss < self._best:
            self._best, self._kept, self._waited = loss, copies(self._weights), 0
        else:
            self._waited += 1
        return self._waited >= self._learner.settings.training.patience

    def restore_best(self) -> None:
        """Put the weights of the best look back."""
        restore(self._weights, self._kept)

    def _loss(self) -> float:
        import torch

        total = 0.0
        with torch.no_grad():
            for part in self._learner.parts(self._learner.looked_at):
                given = self._learner.forward(part)
                loss = torch.nn.functional.cross_entropy(
                    given.logits, given.targets, reduction="sum"
                )
                total += float(loss)
        return total / len(self._learner.looked_at)
