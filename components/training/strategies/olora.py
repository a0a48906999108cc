"""O-LoRA: a new task or label set learns in ranks of its own, at right angles to all earlier ones.

Earlier ranks answer on and are frozen, so the adapter grows with each new one, up to a bound.

Source: Wang et al. 2023, Orthogonal Subspace Learning for Language Model Continual Learning,
section 3.2: the penalty is the sum of |A_earlier A_new'|.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.model.bundle import State
from components.training.guard import Guard
from components.training.strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from components.model.base import Base
    from components.settings import Settings
    from components.training.learner import ForwardPass, Learner
    from components.training.memory import MemoryRef


class Subspaces(Guard):
    """Opens ranks where something new comes, and keeps the earlier ones as they are."""

    def __init__(self, learner: Learner) -> None:
        from components.model.adapters.low_rank import lora_modules, widen

        super().__init__(learner)
        self.own = learner.strategy
        state = learner.parent.strategy_state() if learner.parent else State()
        seen = {tuple(pair) for pair in state.values.get("seen", [])}
        fresh = {(item.task, item.label) for item in learner.items}
        self.opened = state.values.get("opened", 0)
        adapter: Any = learner.settings.adapter
        rank = int(adapter.rank)
        if not fresh <= seen and self.opened < self.own.max_subspaces:
            if self.opened:
                widen(learner.model, rank)
            self.opened += 1
        self.seen, self.earlier = seen | fresh, (self.opened - 1) * rank
        self.modules = list(lora_modules(learner.model).values())
        self.frozen = [self._earlier_of(module) for module in self.modules]

    def loss(self, given: ForwardPass) -> Tensor:
        """Return the cross entropy and what new ranks share with earlier ones."""
        found = super().loss(given)
        if self.earlier:
            for module in self.modules:
                down = module.lora_A["default"].weight
                shared = (down[: self.earlier].detach() @ down[self.earlier :].T).abs().sum()
                found = found + self.own.strength * shared
        return found

    def after_update(self) -> None:
        """Put the earlier ranks back: weight decay would have moved them."""
        import torch

        with torch.no_grad():
            for module, (down, up) in zip(self.modules, self.frozen, strict=True):
                module.lora_A["default"].weight[: self.earlier] = down
                module.lora_B["default"].weight[:, : self.earlier] = up

    def finish(self, memory: tuple[MemoryRef, ...]) -> State:
        """Return which (task, label) pairs have ranks, and how many sets of them there are."""
        return State({"opened": self.opened, "seen": sorted(map(list, self.seen))})

    def _earlier_of(self, module: Any) -> tuple[Tensor, Tensor]:
        down, up = module.lora_A["default"].weight, module.lora_B["default"].weight
        return (
            down[: self.earlier].detach().clone(),
            up[:, : self.earlier].detach().clone(),
        )


def fits(settings: Settings, base: Base) -> str | None:
    """Refuse all but LoRA as it was first described."""
    own: Any = settings.adapter
    if own.method != "lora":
        return f"it needs `adapter.method: lora`, not {own.method}"
    if own.variant not in ("plain", "rslora", "eva"):
        return f"its ranks can't be told apart with `adapter.variant: {own.variant}`"
    return None


STRATEGY = Strategy(
    keeps="Ranks for each new task or label set, up to `max_subspaces`; no rows.",
    guard=Subspaces,
    fits=fits,
)
