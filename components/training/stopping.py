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
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.training.averaging import copies, restore

if TYPE_CHECKING:
    from components.training.learner import Learner

SHARE = 0.1
MIN_ROWS = 20
"""A smaller slice says too little; then every epoch is run."""


def divided(learner: Learner) -> tuple[list[int], Judge | None]:
    """Return the rows to train on, and the judge over the others where there is one."""
    rows = list(range(len(learner.items)))
    patience, size = learner.settings.training.patience, int(SHARE * len(rows))
    if patience == 0 or size < MIN_ROWS:
        return rows, None
    random.Random(f"{learner.seed}:slice").shuffle(rows)
    return sorted(rows[size:]), Judge(learner, sorted(rows[:size]), patience)


class Judge:
    """Watches the loss on rows that are not trained on, and keeps the best weights."""

    def __init__(self, learner: Learner, rows: Sequence[int], patience: int) -> None:
        self._learner, self._rows, self._patience = learner, rows, patience
        self._weights = learner.adapter_weights() + learner.head_weights()
        self._best, self._kept, self._waited = math.inf, copies(self._weights), 0

    def has_seen_enough(self) -> bool:
        """Look at the present weights; return whether the patience is spent."""
        loss = self._loss()
        if loss < self._best:
            self._best, self._kept, self._waited = loss, copies(self._weights), 0
        else:
            self._waited += 1
        return self._waited >= self._patience

    def restore_best(self) -> None:
        """Put the weights of the best look back."""
        restore(self._weights, self._kept)

    def _loss(self) -> float:
        import torch

        total = 0.0
        with torch.no_grad():
            for part in self._learner.parts(self._rows):
                step = self._learner.step(part)
                loss = torch.nn.functional.cross_entropy(step.logits, step.targets, reduction="sum")
                total += float(loss)
        return total / len(self._rows)
