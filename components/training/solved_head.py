"""A head that is solved for: the guard that keeps its sums, and the fit that uses no gradient.

Concept: the new rows' features join two running sums, and the head is solved from these. Where the
adapter is to learn as well, it does so first, under a linear head that is thrown away; then the
features are others, and the sums begin again on all rows at hand.

State: the sums, and which rows of which batch they hold (digests alone), so that a batch can be
subtracted again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from components.model.bundle import State
from components.model.determinism import derived_seed
from components.model.heads import HEADS
from components.model.heads.solved_modules import SolvedHead, drawn
from components.training.guard import Guard
from components.training.loop import descend
from components.training.origin import Items, Origin, from_parent
from components.training.solvers import SOLVERS, chosen_strength, left_out, sharpness
from components.training.sums import Sums, no_sums, parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from components.model.base import Base
    from components.model.bundle import Bundle
    from components.model.progress import Progress
    from components.settings import Settings
    from components.training.learner import Learner
    from components.training.memory import MemoryRef


def origin(base: Base, parent: Bundle | None, items: Items, settings: Settings) -> Origin:
    """Go on from the parent, or from a head of no labels with its random matrix drawn."""
    if parent is not None:
        return from_parent(base, parent, items, settings)
    from components.model.layers import means_of

    own: Any = settings.strategy
    row, seed = own.features, derived_seed(settings.seed, "head")
    means = min(own.layers, means_of(base))
    return Origin(head=drawn(row, base.hidden_size, means, own.size, own.wavelength, seed))


def head_shape(own: Any) -> dict[str, Any]:
    """Return the settings that decide what a solved head reads, and how much of it."""
    names = {"plain": ["layers"], "projected": ["layers", "size"]}
    chosen = names.get(own.features, ["layers", "size", "wavelength"])
    return {"features": own.features} | {name: getattr(own, name) for name in chosen}


FOLDS, MIN_HELD = 5, 10
"""Each fifth new row is left out to see how sure the head may be; below ten tell too little."""

SHARPNESSES = 8
"""So many batches have a say in that, each half as much as the one after it."""

LEFT_OUT = 2000
"""So many rows at most are answered without themselves."""


class SolvedHeadGuard(Guard):
    """Keeps the sums of a head, and solves it.

    Args:
        learner: its head is a `SolvedHead`; its strategy says how it is solved (`solver`, `ridge`,
            `balance`).
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        head = learner.classifier.head
        assert isinstance(head, SolvedHead)
        self.head = head
        self.features: dict[int, Tensor] = {}
        self.new: list[int] = (~learner.replayed).nonzero().flatten().tolist()
        self.device, labels = learner.classifier.device, len(learner.classifier.labels)
        self.state = learner.parent.strategy_state() if learner.parent else State()
        if "gram" in self.state.tensors:
            self.sums = Sums.from_tensors(self.state.tensors).grown(labels).to(self.device)
        else:
            self.sums = no_sums(head.size, labels).to(self.device)
        self.values = dict(self.state.values)
        self._chosen: tuple[Sums, float] | None = None
        self._with: tuple[Sums, tuple[int, ...], Sums] | None = None
        self.batches = batches_of(self.state)

    def spread(self, rows: Sequence[int]) -> Tensor:
        """Return what the head's logits are linear in, (n_rows, size)."""
        import torch

        missing = [row for row in rows if row not in self.features]
        if missing:
            self.features |= dict(zip(missing, self.learner.features(missing), strict=True))
        return self.head.spread(torch.stack([self.features[row] for row in rows]))

    def strength(self, sums: Sums) -> float:
        """Return the ridge's strength on these sums."""
        if self._chosen is None or self._chosen[0] is not sums:
            self._chosen = (sums, strength_of(self.learner.strategy, sums))
        return self._chosen[1]

    def sums_of(self, rows: Sequence[int]) -> Sums:
        """Return the sums over some rows of the lesson."""
        labels = len(self.learner.classifier.labels)
        return Sums.over(rows, self.spread, self.learner.targets, labels)

    def with_rows(self, rows: Sequence[int]) -> Sums:
        """Return the sums as they are once these rows are counted."""
        before, own = self.sums, tuple(rows)
        if self._with is None or self._with[0] is not before or self._with[1] != own:
            self._with = (before, own, before.plus(self.sums_of(rows)))
        return self._with[2]

    def add(self, rows: Sequence[int], batch: str) -> None:
        """Count rows, as members of a batch, and learn from them how sure the head may be."""
        self.sums = self.with_rows(rows)
        solver = self.learner.strategy.solver
        if self.values.setdefault("solver", solver) != solver:  # its logits are of another size
            self.values |= {"solver": solver, "sharpness": []}
        if (sharp := self._sharpness(rows)) is not None:
            told = [[old, found, 0.5 * w] for old, found, w in self.values.get("sharpness", [])]
            self.values["sharpness"] = [*told, [batch, sharp, float(len(rows))]][-SHARPNESSES:]
        own = [self.learner.items[row].digest for row in rows]
        self.batches[batch] = sorted([*self.batches.get(batch, []), *own])

    def add_all(self) -> None:
        """Count all rows of the lesson: of remembered ones those that the sums do not hold."""
        replayed = self.learner.replayed
        if not self.batches and bool(replayed.any()):
            self.add(replayed.nonzero().flatten().tolist(), "")
        self.add(self.new, self.learner.batch)

    def begin_again(self) -> None:
        """Forget all rows: the features are others now."""
        self.sums = no_sums(*reversed(self.sums.by_label.shape)).to(self.device)
        self.batches, self.features = {}, {}

    def solve(self) -> None:
        """Put the head in that the sums ask for."""
        head = solved(self.learner.strategy, self.sums, self.strength(self.sums))
        for name, tensor in solved_tensors(head, self.values).items():
            setattr(self.head, name, tensor.to(self.device))

    def _sharpness(self, rows: Sequence[int]) -> float | None:
        """Solve without every `FOLDS`th row and see how sure these bear to be answered.

        None where they are too few, or have the only rows of their labels.
        """
        import torch

        held = list(rows)[::FOLDS]
        without = self.sums.minus(self.sums_of(held))
        targets = self.learner.targets[held].to(self.device)
        able = without.counts[targets] > 0.5
        if int(able.sum()) < MIN_HELD or int((without.counts > 0.5).sum()) < 2:
            return None
        weight, bias = solved(self.learner.strategy, without, self.strength(self.sums))
        logits = torch.cat([self.spread(p).double() @ weight.T + bias for p in parts_of(held)])
        return sharpness(logits[able], targets[able])

    def finish(self, memory: tuple[MemoryRef, ...]) -> State:
        """Return the sums, and whose they are."""
        return solved_state(self.sums.to("cpu"), self.batches, self.values)


def strength_of(strategy: Any, sums: Sums) -> float:
    """Return the ridge's strength on these sums that a strategy's settings ask for."""
    if strategy.solver == "mean":
        return 0.0
    return chosen_strength(sums) if isinstance(strategy.ridge, str) else float(strategy.ridge)


def solved(strategy: Any, sums: Sums, strength: float) -> tuple[Tensor, Tensor]:
    """Return weight and bias on these sums as a strategy's settings ask for them."""
    return SOLVERS[strategy.solver](sums, strength, strategy.balance)


def solved_tensors(head: tuple[Tensor, Tensor], values: dict[str, Any]) -> dict[str, Tensor]:
    """Return a solved head's tensors as it stores them, with how sure it may be by now."""
    import torch

    told = values.get("sharpness", [])
    total = sum(weight for _, _, weight in told)
    mean = sum(math.log(sharp) * weight for _, sharp, weight in told) / total if told else 0.0
    weight, bias = (each.float().cpu() for each in head)
    return {"weight": weight, "bias": bias, "sharpness": torch.tensor([math.exp(mean)])}


def learn_adapter(learner: Learner, progress: Progress) -> int:
    """Let the adapter learn under a linear head of its own, which reads the last layer alone.

    That head starts at zero. From one that is solved already the adapter has nothing left to learn
    (sentiment stream: no gain, where this start gains 1.6 points). Returns the steps.
    """
    own = learner.classifier
    head = HEADS["linear"](None, own.base.hidden_size, len(own.labels)).to(own.device)
    beneath = replace(learner, classifier=replace(own, head=head))
    return descend(beneath, Guard(beneath), progress)


def right_when_left_out(guard: SolvedHeadGuard, rows: Sequence[int]) -> float:
    """Return the share of rows, in percent, that are right when each is left out of the sums.

    Of many rows evenly spread ones are asked.
    """
    together = guard.with_rows(rows)
    asked = list(rows)[:: math.ceil(len(rows) / LEFT_OUT)]
    targets = guard.learner.targets[asked].to(guard.device)
    found = left_out(together, guard.strength(together), guard.spread(asked), targets)
    return 100 * float(found.double().mean())


def batches_of(state: State) -> dict[str, list[str]]:
    """Return which items of which batch the sums hold: batch -> item digests."""
    found = {}
    if "items" in state.tensors:
        digests = [bytes(row).hex() for row in state.tensors["items"].tolist()]
        for batch, start, end in state.values["batches"]:
            found[batch] = digests[start:end]
    return found


def solved_state(sums: Sums, batches: dict[str, list[str]], values: dict[str, Any]) -> State:
    """Return the state of a solved head: 32 bytes a row beside the sums."""
    import torch

    places, digests = list[list[Any]](), list[str]()
    for batch, items in sorted(batches.items()):
        places.append([batch, len(digests), len(digests) + len(items)])
        digests += items
    rows = [list(bytes.fromhex(digest)) for digest in digests]
    tensors = sums.tensors() | {"items": torch.tensor(rows, dtype=torch.uint8).reshape(-1, 32)}
    return State({**values, "batches": places}, tensors)
