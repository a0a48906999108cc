"""Two running sums that say all that a linear head can learn from rows, and never the rows.

Concept: of the rows' spread-out features x, a head needs the sum of x x', the sum of x of each
label, and how many there were. Batches add up in any order, and one can be subtracted again.

Promise: float64 throughout; adding and subtracting the same rows leaves what never saw them, up to
the rounding of its sums.

Source: recursive least squares; as a continual learner in Zhuang et al. 2022, ACIL, and McDonnell
et al. 2023, RanPAC, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


AT_ONCE = 2048
"""So many rows are spread out in memory together: 16 kB each where there are 2,000 features."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What was seen so far, float64.

    gram: (size, size), the sum of x x'. by_label: (labels, size), the sum of each label's x.
    counts: (labels,), its rows.
    """

    gram: Tensor
    by_label: Tensor
    counts: Tensor

    @classmethod
    def of(cls, spread: Tensor, targets: Sequence[int] | Tensor, labels: int) -> Sums:
        """Return the sums of rows: spread (n, size), targets the label of each."""
        import torch

        rows = spread.double()
        one_hot = torch.zeros(len(rows), labels, dtype=torch.float64, device=rows.device)
        one_hot[torch.arange(len(rows)), torch.as_tensor(targets, device=rows.device)] = 1.0
        return cls(rows.T @ rows, one_hot.T @ rows, one_hot.sum(0))

    @classmethod
    def over(
        cls,
        rows: Sequence[int],
        spread: Callable[[list[int]], Tensor],
        targets: Tensor,
        labels: int,
    ) -> Sums:
        """Return the sums of many rows, part by part: `spread` gives (n, size) of n of them."""
        return reduce(Sums.plus, (cls.of(spread(p), targets[p], labels) for p in parts_of(rows)))

    @property
    def rows(self) -> float:
        """How many rows were seen."""
        return float(self.counts.sum())

    def grown(self, labels: int) -> Sums:
        """Return the same with zeros for labels that are new."""
        more = labels - len(self.counts)
        by_label = _with_zeros(self.by_label, more)
        return Sums(self.gram, by_label, _with_zeros(self.counts, more))

    def plus(self, other: Sums) -> Sums:
        """Return the sums over both, which know the same labels."""
        gram, by_label = self.gram + other.gram, self.by_label + other.by_label
        return Sums(gram, by_label, self.counts + other.counts)

    def minus(self, other: Sums) -> Sums:
        """Return the sums without rows that were counted before."""
        gram, by_label = self.gram - other.gram, self.by_label - other.by_label
        return Sums(gram, by_label, self.counts - other.counts)

    def tensors(self) -> dict[str, Tensor]:
        """Return what a bundle stores: of the symmetric matrix one half."""
        import torch

        upper = torch.triu_indices(*self.gram.shape, device=self.gram.device)
        half = self.gram[upper[0], upper[1]]
        return {"gram": half, "by_label": self.by_label, "counts": self.counts}

    @classmethod
    def from_tensors(cls, stored: Mapping[str, Tensor]) -> Sums:
        """Return what `tensors` gave."""
        import torch

        by_label = stored["by_label"]
        size = by_label.shape[1]
        upper = torch.triu_indices(size, size)
        gram = torch.zeros(size, size, dtype=torch.float64)
        gram[upper[0], upper[1]] = stored["gram"]
        gram = gram.triu() + gram.triu(1).T
        return cls(gram, by_label, stored["counts"])

    def to(self, device: str) -> Sums:
        """Return the same on another device."""
        return Sums(self.gram.to(device), self.by_label.to(device), self.counts.to(device))


def parts_of(rows: Sequence[int]) -> list[list[int]]:
    """Return rows in parts that fit into memory."""
    return [list(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE)]


def no_sums(size: int, labels: int) -> Sums:
    """Return the sums over no rows."""
    import torch

    zeros = torch.zeros
    return Sums(
        zeros(size, size, dtype=torch.float64),
        zeros(labels, size, dtype=torch.float64),
        zeros(labels, dtype=torch.float64),
    )


def _with_zeros(rows: Tensor, more: int) -> Tensor:
    import torch

    return torch.cat([rows, rows.new_zeros(more, *rows.shape[1:])])
