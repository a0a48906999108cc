"""Linear heads in closed form, from nothing but sums.

Concept: each takes the sums over all rows and returns weight (labels, size) and bias (labels,). How
sharp their softmax should be no sums can tell; `sharpness` finds it on rows that were left out. A
label without rows is never answered.

Labels' shares follow from what batches happen to bring, and are others where the model is asked. So
`balance` says how far they are evened out: 0 takes them as they came, 1 takes all labels alike.

Source: ridge as in McDonnell et al. 2023, RanPAC, equation 6; LDA as in Hayes and Kanan 2020, Deep
SLDA, equations 2 to 5, which on random waves is KLDA (Momeni et al. 2024, arXiv 2412.15571);
contrastive after the idea of Momeni et al. 2025, AnaCP (arXiv 2511.13880). Ours needs no
pseudo-samples there: both steps are linear, so means and covariance behind the first follow. Shares
between those of the rows and equal ones: Kang et al. 2020, Decoupling Representation and Classifier
for Long-Tailed Recognition, section 4.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from components.training.sums import Sums

if TYPE_CHECKING:
    from torch import Tensor

    Head = tuple[Tensor, Tensor]

NEVER = -1e6
"""The logit of a label that no row has, before it is sharpened."""


STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Of a ridge, as shares of the mean diagonal."""

PART = 1000
"""So many features tell about how strong a ridge should be."""

MOST_USED = 0.98
"""Share of the rows' freedom that a head may use up; beyond, cross-validation tells nothing."""


def ridge(sums: Sums, strength: float, balance: float) -> Head:
    """Return ridge regression on the labels' indicators, each label as heavy as its share.

    The rows of every label are taken to lie about its mean as all rows do about theirs, so that the
    sums suffice. Law: without balance, ridge regression on the rows as they are.
    """
    import torch

    means, within = _within(sums)
    shares = _shares(sums, balance)
    mean = shares @ means
    about = means - mean
    factor = torch.linalg.cholesky(_loaded(within + about.T @ (shares[:, None] * about), strength))
    weight = torch.cholesky_solve((shares[:, None] * about).T, factor).T
    return _seen(sums, weight, shares - weight @ mean)


def chosen_strength(sums: Sums) -> float:
    """Return the ridge's strength that generalised cross-validation asks for.

    The score falls and rises again along `STRENGTHS`. Where there are many features, the first
    `PART` of them say about where, at an eighth of the work, and all of them have the last word:
    more features want as strong a ridge or a stronger one. A function of the sums alone, so it
    forgets what they forget.

    Source: Golub, Heath and Wahba 1979, Generalized Cross-Validation.
    """
    size = len(sums.gram)
    place = _lowest(sums, min(size, PART), len(STRENGTHS) // 2, (1, -1))
    return STRENGTHS[place if size <= PART else _lowest(sums, size, place, (1,))]


def _lowest(sums: Sums, size: int, place: int, ways: tuple[int, ...]) -> int:
    """Walk from a place in `STRENGTHS` while the score of the first `size` features falls."""
    import torch

    mean = sums.by_label.sum(0)[:size] / sums.rows
    gram = sums.gram[:size, :size] - sums.rows * torch.outer(mean, mean)
    cross = sums.by_label[:, :size] - torch.outer(sums.counts, mean)
    total = float((sums.counts * (1 - sums.counts / sums.rows)).sum())
    found = dict[int, float]()

    def score(at: int) -> float:
        if at not in found:
            loaded = _loaded(gram, STRENGTHS[at])
            load = float((loaded - gram).diagonal()[0])
            factor = torch.linalg.cholesky(loaded)
            weight = torch.cholesky_solve(cross.T, factor).T
            inverse = torch.cholesky_inverse(factor.float())
            used = (1 + size - load * float(inverse.diagonal().sum())) / sums.rows
            left = total - float((weight * (2 * cross - weight @ gram)).sum())
            found[at] = left / (1 - used) ** 2 if used < MOST_USED else math.inf
        return found[at]

    last = len(STRENGTHS) - 1
    for way in ways:
        while 0 <= place + way <= last and score(place + way) <= score(place):
            place += way
    return place


def lda(sums: Sums, strength: float, balance: float) -> Head:
    """Return linear discriminants: each label's mean under one covariance, its share the prior."""
    means, within = _within(sums)
    return _discriminants(sums, means, _loaded(within, strength), balance)


def contrastive(sums: Sums, strength: float, balance: float) -> Head:
    """Return LDA behind a ridge regression onto targets that lie apart.

    The targets are the labels' means about their own, each direction in which they differ made
    equally long: what two alike labels share is shrunk, and what tells them apart is stretched.
    """
    import torch

    means, within = _within(sums)
    present = sums.counts > 0
    about = means - means[present].mean(0)
    left, sizes, _ = torch.linalg.svd(about[present], full_matrices=False)
    keep = sizes > 1e-8 * sizes.max()
    targets = torch.zeros(len(means), int(keep.sum()), dtype=means.dtype, device=means.device)
    targets[present] = left[:, keep]
    loaded = _loaded(sums.gram, strength)
    project = torch.cholesky_solve(sums.by_label.T @ targets, torch.linalg.cholesky(loaded))
    inner = project.T @ within @ project
    weight, bias = _discriminants(sums, means @ project, _loaded(inner, strength), 1.0)
    return weight @ project.T, bias


def nearest_mean(sums: Sums, strength: float, balance: float) -> Head:
    """Return the labels' unit means: the nearest one by angle has the largest logit."""
    import torch

    unit = torch.nn.functional.normalize(sums.by_label)
    return _seen(sums, unit, torch.zeros_like(sums.counts))


Solver = Callable[[Sums, float, float], "Head"]
"""Takes the sums, how strong a ridge is, as a share of the mean diagonal, and the balance."""

SOLVERS: dict[str, Solver] = {
    "ridge": ridge,
    "lda": lda,
    "contrastive": contrastive,
    "mean": nearest_mean,
}


def sharpness(logits: Tensor, targets: Tensor) -> float:
    """Return the factor with which the logits' softmax fits best: the least cross entropy.

    Args:
        logits: of rows that the head was not solved on, (n, labels).
        targets: the label of each.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.
    """
    import torch

    tried: list[float] = torch.logspace(-3, 3, 121, dtype=torch.float64).tolist()
    loss = torch.nn.functional.cross_entropy
    return min(tried, key=lambda factor: float(loss(factor * logits, targets)))


def left_out(sums: Sums, strength: float, spread: Tensor, targets: Tensor) -> Tensor:
    """Return which rows ridge regression gets right without having seen them, bool, (n,).

    Args:
        sums: over many rows, these included.
        strength: of the ridge.
        spread: the rows, (n, size).
        targets: the label of each.

    Law: equal to solving again without each row (the mean and the load left as they are).
    Source: Allen 1974, PRESS.
    """
    import torch

    rows, mean = sums.rows, sums.by_label.sum(0) / sums.rows
    about = spread.double() - mean
    loaded = _loaded(sums.gram - rows * torch.outer(mean, mean), strength)
    factor = torch.linalg.cholesky(loaded)
    cross = sums.by_label - torch.outer(sums.counts, mean)
    share = sums.counts / rows
    scores = about @ torch.cholesky_solve(cross.T, factor) + share
    influence = (about * torch.cholesky_solve(about.T, factor).T).sum(1, keepdim=True)
    wanted = torch.zeros_like(scores)
    wanted[torch.arange(len(targets)), targets] = 1.0
    without = wanted - (wanted - scores) / (1 - influence).clamp(min=1e-6)
    return without.argmax(1) == targets


def _within(sums: Sums) -> tuple[Tensor, Tensor]:
    """Return the labels' means, (labels, size), and the covariance within labels."""
    means = sums.by_label / sums.counts.clamp(min=1.0)[:, None]
    return means, (sums.gram - means.T @ sums.by_label) / sums.rows


def _shares(sums: Sums, balance: float) -> Tensor:
    """Return the labels' shares, (labels,); those of labels that no row has are 0."""
    import torch

    heavy = sums.counts.clamp(min=1.0) ** (1 - balance)
    heavy = torch.where(sums.counts > 0, heavy, 0.0)
    return heavy / heavy.sum()


def _discriminants(sums: Sums, means: Tensor, covariance: Tensor, balance: float) -> Head:
    import torch

    weight = torch.cholesky_solve(means.T, torch.linalg.cholesky(covariance)).T
    bias = _shares(sums, balance).log() - 0.5 * (weight * means).sum(1)
    return _seen(sums, weight, bias)


def _loaded(matrix: Tensor, strength: float) -> Tensor:
    """Return the matrix with `strength` times its mean diagonal added to the diagonal."""
    import torch

    load = strength * matrix.diagonal().mean().clamp(min=1e-12)
    return matrix + load * torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)


def _seen(sums: Sums, weight: Tensor, bias: Tensor) -> Head:
    """Return the head with labels that no row has out of reach."""
    absent = sums.counts <= 0
    weight, bias = weight.clone(), bias.clone()
    weight[absent], bias[absent] = 0.0, NEVER
    return weight, bias
