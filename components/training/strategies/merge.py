"""Merge: each batch is learned alone, and what it learned is merged with the parent.

After t batches the plain mean weighs each of them alike: parent + (new - parent) / t. TIES and DARE
first leave out what is small, or random parts, of what each side moved away from the base.

Source: Ilharco et al. 2023, Editing Models with Task Arithmetic; Yadav et al. 2023, TIES-Merging,
section 4; Yu et al. 2024, DARE, section 3 (both as `peft` has them); SLAO: arXiv 2512.23017: A
from an orthogonal basis of the earlier one, B + (B_new - B) / sqrt(t).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.model.adapters import METHODS
from components.model.bundle import State
from components.training.guard import Guard
from components.training.loop import descend
from components.training.origin import Items, Origin, from_parent
from components.training.strategies.strategy import Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from components.model.base import Base
    from components.model.bundle import Bundle
    from components.model.progress import Progress
    from components.settings import Settings
    from components.training.learner import Learner
    from components.training.memory import MemoryRef

    Point = dict[str, Tensor]


class Count(Guard):
    """Counts the batches."""

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        parent = learner.parent
        self.batches = 1 + (parent.strategy_state().values.get("batches", 1) if parent else 0)

    def finish(self, memory: tuple[MemoryRef, ...]) -> State:
        """Return how many batches are merged in the version."""
        return State({"batches": self.batches})


def origin(base: Base, parent: Bundle | None, items: Items, settings: Settings) -> Origin:
    """Start from the parent, or from a fresh adapter under the parent's head."""
    found = from_parent(base, parent, items, settings)
    own: Any = settings.strategy
    if parent is not None and own.start == "base":
        return Origin(head=found.head, labels=found.labels)
    return found


def fit(learner: Learner, guard: Guard, progress: Progress) -> int:
    """Learn the batch alone, then merge."""
    assert isinstance(guard, Count)
    own: Any = learner.strategy
    if learner.parent is None:
        return descend(learner, guard, progress)
    if own.how == "slao":
        return _slao(learner, guard, progress)
    vector = learner.method.vector
    assert vector is not None
    before = parent_point(learner)
    base = before if own.how == "average" else fresh_point(learner)
    head = _copied(learner.parent.head_tensors(), learner)
    steps = descend(learner, guard, progress)
    now, share = vector.read(learner.model), 1 / guard.batches
    vector.write(learner.model, merged(base, before, now, share, own))
    move_head(learner, head, share)
    return steps


def merged(base: Point, before: Point, now: Point, share: float, own: Any) -> Point:
    """Return the point between the parent's and the batch's, `share` of the way to the latter."""
    from peft.utils.merge_utils import dare_linear, ties

    found = {}
    for name, origin_ in base.items():
        import torch

        moved = [before[name] - origin_, now[name] - origin_]
        weights = torch.tensor([1 - share, share], device=origin_.device)
        if own.how == "ties":
            kept = ties(moved, weights, own.density, majority_sign_method="total")
        elif own.how == "dare":
            kept = dare_linear(moved, weights, own.density)
        else:
            kept = weights[0] * moved[0] + weights[1] * moved[1]
        found[name] = origin_ + kept
    return found


def fresh_point(learner: Learner) -> Point:
    """Return where a fresh adapter stands: what it moves is counted from there."""
    import torch

    vector, placement = learner.method.vector, learner.classifier.placement
    assert vector is not None
    fork = learner.classifier.base.fork(placement)
    with torch.random.fork_rng():
        torch.manual_seed(learner.settings.seed)
        fresh = learner.method.attach(fork, learner.settings.adapter, lambda: [])
    return vector.read(fresh.to(placement.device))


def parent_point(learner: Learner) -> Point:
    """Return where the parent stands."""
    vector, placement = learner.method.vector, learner.classifier.placement
    assert vector is not None and learner.parent is not None
    fork = learner.classifier.base.fork(placement)
    loaded = learner.method.load(fork, learner.parent.adapter, True)
    return vector.read(loaded.to(placement.device))


def move_head(learner: Learner, before: Point, share: float) -> None:
    """Let the head's rows of earlier labels move by a share alone; new ones stay as learned."""
    import torch

    with torch.no_grad():
        for name, weight in learner.classifier.head.named_parameters():
            known = len(before[name])
            weight[:known] = torch.lerp(before[name], weight[:known], share)


def _copied(tensors: Point, learner: Learner) -> Point:
    return {name: each.to(learner.classifier.device) for name, each in tensors.items()}


def _slao(learner: Learner, guard: Count, progress: Progress) -> int:
    import torch

    from components.model.adapters.low_rank import lora_modules

    assert learner.parent is not None
    modules, head = lora_modules(learner.model), learner.parent.head_tensors()
    before, share = {}, guard.batches**-0.5
    with torch.no_grad():
        for name, module in modules.items():
            down, up = module.lora_A["default"].weight, module.lora_B["default"].weight
            basis, rest = torch.linalg.qr(down.T)
            up.copy_(up @ rest.T)  # the product is as it was
            down.copy_(basis.T)
            before[name] = up.clone()
    steps = descend(learner, guard, progress)
    with torch.no_grad():
        for name, module in modules.items():
            up = module.lora_B["default"].weight
            up.copy_(torch.lerp(before[name], up, share))
    move_head(learner, _copied(head, learner), share)
    return steps


def fits(settings: Settings, base: Base) -> str | None:
    """Refuse methods of which a mean means nothing, and SLAO without LoRA."""
    own: Any = settings.strategy
    adapter: Any = settings.adapter
    vector = METHODS[adapter.method].vector
    if vector is None:
        return f"a mean of two {adapter.method} adapters means nothing"
    if own.how == "slao":
        plain = adapter.method == "lora" and adapter.variant in ("plain", "rslora", "eva")
        return None if plain else "`strategy.how: slao` needs plain LoRA"
    if own.how == "average" and own.start == "champion":
        return None
    return fits_movements(settings, base)


def fits_movements(settings: Settings, base: Base) -> str | None:
    """Refuse methods whose fresh adapters differ: movements from them do not add up."""
    adapter = settings.adapter
    vector = METHODS[adapter.method].vector
    if vector is None:
        return f"a sum of two {adapter.method} adapters means nothing"
    if not vector.fixed_start:
        return f"fresh {adapter.method} adapters are drawn at random, so none is where others began"
    if adapter.method == "lora" and adapter.variant in ("pissa", "corda", "eva"):
        return f"`adapter.variant: {adapter.variant}` begins elsewhere in each batch"
    return None


STRATEGY = Strategy(
    keeps="Nothing but how many batches are merged.",
    origin=origin,
    guard=Count,
    fit=fit,
    fits=fits,
)
