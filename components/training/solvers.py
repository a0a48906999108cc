"""Linear heads in closed form, from nothing but sums.

Concept: each takes the sums over all rows and returns weight (labels, size) and bias (labels,),
scaled so that their softmax is a probability as the solver's own model of the rows has it. A label
without rows is never answered.

Source: ridge as in McDonnell et al. 2023, RanPAC, equation 6; LDA as in Hayes and Kanan 2020, Deep
SLDA, equations 2 to 5, which on random waves is KLDA (Momeni et al. 2024, arXiv 2412.15571);
contrastive after the idea of Momeni et al. 2025, AnaCP (arXiv 2511.13880). Ours needs no
pseudo-samples there: both steps are linear, so means and covariance behind the first follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from components.training.sums import Sums

if TYPE_CHECKING:
    from torch import Tensor

    Head = tuple[Tensor, Tensor]

NEVER = -1e4
"""The logit of a label that no row has."""


def ridge(sums: Sums, strength: float) -> Head:
    """Return ridge regression on the labels' indicators.

    With equal noise s2 around each indicator, log p(label) is its score over s2 plus a constant;
    s2 is taken from the residuals, which the sums know.
    """
    import torch

    rows, mean = sums.rows, sums.by_label.sum(0) / sums.rows
    share = sums.counts / rows
    gram = sums.gram - rows * torch.outer(mean, mean)
    cross = sums.by_label - torch.outer(sums.counts, mean)
    loaded = _loaded(gram, strength)
    weight = torch.cholesky_solve(cross.T, torch.linalg.cholesky(loaded)).T
    explained = (weight * (2 * cross - weight @ gram)).sum()
    total = (sums.counts * (1 - share)).sum()
    labels = max(1, int((sums.counts > 0).sum()))
    noise = ((total - explained) / (rows * labels)).clamp(min=1e-6)
    return _seen(sums, weight / noise, (share - weight @ mean) / noise)


def lda(sums: Sums, strength: float) -> Head:
    """Return linear discriminants: each label's mean under one covariance, with equal priors."""
    means, within = _within(sums)
    return _discriminants(sums, means, _loaded(within, strength))


def contrastive(sums: Sums, strength: float) -> Head:
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
    weight, bias = _discriminants(sums, means @ project, _loaded(inner, strength))
    return weight @ project.T, bias


def nearest_mean(sums: Sums, strength: float) -> Head:
    """Return the labels' unit means: the nearest one by angle has the largest logit."""
    import torch

    unit = torch.nn.functional.normalize(sums.by_label)
    within = 1 - float((unit * _within(sums)[0]).sum(1)[sums.counts > 0].mean())
    sharp = 1 / max(within, 1e-3)
    return _seen(sums, sharp * unit, torch.zeros_like(sums.counts))


Solver = Callable[[Sums, float], "Head"]

SOLVERS: dict[str, Solver] = {
    "ridge": ridge,
    "lda": lda,
    "contrastive": contrastive,
    "mean": nearest_mean,
}


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
    counts = sums.counts.clamp(min=1.0)[:, None]
    means = sums.by_label / counts
    labels = int((sums.counts > 0).sum())
    between = means.T @ sums.by_label
    return means, (sums.gram - between) / max(1.0, sums.rows - labels)


def _discriminants(sums: Sums, means: Tensor, covariance: Tensor) -> Head:
    import torch

    weight = torch.cholesky_solve(means.T, torch.linalg.cholesky(covariance)).T
    return _seen(sums, weight, -0.5 * (weight * means).sum(1))


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
