"""The logits that remembered rows had when they were learned, and the pull towards them.

State: a tensor of (remembered rows, labels), zero where a label was not known yet, and how many
labels each row knew: none where it was remembered before logits were asked for. Rows come in the
order of the memory.

Source: Buzzega et al. 2020, Dark Experience for General Continual Learning, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.model.bundle import State
from components.training.memory import MemoryRef, remembered

if TYPE_CHECKING:
    from torch import Tensor

    from components.training.learner import ForwardPass, Learner

LOGITS, KNOWN = "logits", "known_labels"


class DarkLogits:
    """Pulls replayed rows to their stored logits with strength `weight`; 0 does nothing."""

    def __init__(self, learner: Learner, weight: float) -> None:
        import torch

        self.learner, self.weight = learner, weight
        self.stored: dict[str, Tensor] = {}
        if not weight or learner.parent is None:
            return
        found = learner.parent.strategy_state().tensors
        if LOGITS not in found:  # the parent was trained without
            return
        for ref, row, known in zip(
            remembered(learner.parent), found[LOGITS], found[KNOWN].tolist(), strict=True
        ):
            self.stored[ref.item] = row[:known]
        labels = len(learner.classifier.labels)
        self.wanted = torch.zeros(len(learner.items), labels, device=learner.classifier.device)
        self.counts = torch.zeros_like(self.wanted)
        for place, item in enumerate(learner.items):
            row = self.stored.get(item.digest) if learner.replayed[place] else None
            if row is not None:
                self.wanted[place, : len(row)] = row.to(self.wanted.device)
                self.counts[place, : len(row)] = 1.0

    def loss(self, given: ForwardPass) -> Tensor | float:
        """Return the mean squared distance of the rows' logits from the stored ones."""
        if not self.stored:
            return 0.0
        rows = given.rows.to(given.logits.device)
        apart = (given.logits - self.wanted[rows]) ** 2 * self.counts[rows]
        return self.weight * apart.sum() / self.counts[rows].sum().clamp(min=1.0)

    def finish(self, memory: tuple[MemoryRef, ...]) -> State:
        """Return the logits of what is remembered: as stored, or as the trained model has them."""
        import torch

        if not self.weight or not memory:
            return State()
        learner = self.learner
        places = {item.digest: place for place, item in enumerate(learner.items)}
        fresh = [ref.item for ref in memory if ref.item not in self.stored and ref.item in places]
        with torch.no_grad():
            features = learner.features([places[item] for item in fresh]) if fresh else None
            given = learner.classifier.head(features).cpu() if features is not None else []
        rows = self.stored | dict(zip(fresh, given, strict=True))
        kept = [rows.get(ref.item, torch.empty(0)) for ref in memory]
        logits = torch.zeros(len(memory), len(learner.classifier.labels))
        for place, row in enumerate(kept):
            logits[place, : len(row)] = row
        known = torch.tensor([len(row) for row in kept])
        return State(tensors={LOGITS: logits, KNOWN: known})
