"""EWC: a spring for each weight, as stiff as the weight mattered to earlier batches.

Importance is the diagonal of the Fisher information on what is trained, adapter and head; earlier
batches' count less with each later one. State: as many numbers as there are trained weights.

Source: Kirkpatrick et al. 2017, Overcoming catastrophic forgetting, equation 3; one running sum as
in Schwarz et al. 2018, Progress & Compress, section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.model.adapters import METHODS
from components.model.bundle import State
from components.training.guard import Guard
from components.training.strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from components.model.base import Base
    from components.settings import Settings
    from components.training.learner import ForwardPass, Learner
    from components.training.memory import MemoryRef


class Springs(Guard):
    """Holds each weight where the last batch left it."""

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        self.own = learner.strategy
        self.weights = learner.named_weights()
        self.before = {name: weight.detach().clone() for name, weight in self.weights.items()}
        state = learner.parent.strategy_state() if learner.parent else State()
        self.fisher = {
            name: _grown(state.tensors[name], weight)
            for name, weight in self.weights.items()
            if name in state.tensors
        }

    def loss(self, given: ForwardPass) -> Tensor:
        """Return the cross entropy and the springs' energy."""
        pull = super().loss(given)
        for name, stiffness in self.fisher.items():
            moved = self.weights[name] - self.before[name]
            pull = pull + 0.5 * self.own.strength * (stiffness * moved**2).sum()
        return pull

    def finish(self, memory: tuple[MemoryRef, ...]) -> State:
        """Return what mattered so far, this batch included."""
        import torch

        learner, found = self.learner, {}
        rows = learner.train_rows[: self.own.fisher_rows]
        total = {name: torch.zeros_like(weight) for name, weight in self.weights.items()}
        for row in rows:
            loss = Guard.loss(self, learner.forward([row]))
            gradients = torch.autograd.grad(loss, list(self.weights.values()), allow_unused=True)
            for name, gradient in zip(self.weights, gradients, strict=True):
                if gradient is not None:
                    total[name] += gradient**2
        for name, summed in total.items():
            earlier = self.fisher.get(name, torch.zeros_like(summed))
            found[name] = self.own.decay * earlier + summed / max(1, len(rows))
        return State(tensors=found)


def _grown(saved: Tensor, weight: Tensor) -> Tensor:
    """Return importance with zeros for a head's new rows."""
    import torch

    whole = torch.zeros_like(weight)
    whole[: len(saved)] = saved.to(weight.device)
    return whole


def fits(settings: Settings, base: Base) -> str | None:
    """Refuse methods whose trained weights are not there any more in the next lesson."""
    own = settings.adapter.method
    if METHODS[own].vector is None:
        return f"{own} trains other weights in each batch, so none can be held where it was"
    return None


STRATEGY = Strategy(keeps="A number for each trained weight; no rows.", guard=Springs, fits=fits)
