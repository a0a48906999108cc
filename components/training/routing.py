"""What finds a text's expert: centroids of frozen unit features, or label means under a covariance.

Concept: the nearest of some centroids c is the largest of x c - |c|^2 / 2, and the nearest mean by
Mahalanobis distance is linear as well. So a router is rows of weight and bias, each with an owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.training.solvers import lda
from components.training.sums import Sums, no_sums

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = dict[str, Tensor]

CENTROIDS, MEANS = "centroids", "gram"
"""Which tensor tells the kind of router."""

STRENGTH = 0.03
"""Of the ridge on the shared covariance."""


def add_centroids(
    state: Tensors, features: Tensor, owner: int, clusters: int, seed: int
) -> Tensors:
    """Return the routes with an expert's centroids, found anew from its old ones and new rows.

    Args:
        state: the routes so far; empty at first.
        features: of the new rows, (n, hidden_size).
        owner: the expert's number.
        clusters: how many centroids it gets at most.
        seed: decides where the search begins.
    """
    import numpy as np
    import torch
    from scipy.cluster.vq import kmeans2

    rows = torch.nn.functional.normalize(features.float()).cpu()
    weights = torch.ones(len(rows))
    old = state.get(CENTROIDS, torch.empty(0, rows.shape[1]))
    owners = state.get("owner", torch.empty(0, dtype=torch.int64))
    sizes = state.get("sizes", torch.empty(0))
    own = owners == owner
    together = torch.cat([old[own], rows]).double().numpy()
    counted = torch.cat([sizes[own], weights])
    count = min(clusters, len(rows))
    spread = np.repeat(together, np.minimum(counted.long().numpy(), len(rows)), axis=0)
    centres, _ = kmeans2(spread, count, minit="++", rng=np.random.default_rng(seed))
    found = torch.from_numpy(centres).float()
    nearest = torch.cdist(torch.from_numpy(together).float(), found).argmin(1)
    held = torch.zeros(count).index_add(0, nearest, counted)
    return {
        CENTROIDS: torch.cat([old[~own], found]),
        "owner": torch.cat([owners[~own], torch.full((count,), owner)]),
        "sizes": torch.cat([sizes[~own], held]),
    }


def add_means(state: Tensors, features: Tensor, targets: Tensor, owner: int) -> Tensors:
    """Return the routes with the means of an expert's labels; one sum of squares for all experts.

    Args:
        state: the routes so far; empty at first.
        features: of the new rows, (n, hidden_size).
        targets: the place of each row's label among its expert's.
        owner: the expert's number.
    """
    import torch

    rows = torch.nn.functional.normalize(features.float()).cpu()
    sums = Sums.from_tensors(state) if state else no_sums(rows.shape[1], 0)
    owners = state.get("owner", torch.empty(0, dtype=torch.int64))
    there = (owners == owner).nonzero().flatten().tolist()
    more = int(targets.max()) + 1 - len(there)
    places = there + list(range(len(owners), len(owners) + max(0, more)))
    owners = torch.cat([owners, torch.full((max(0, more),), owner)])
    own = Sums.of(rows, [places[target] for target in targets.tolist()], len(owners))
    return {**sums.grown(len(owners)).plus(own).tensors(), "owner": owners}


def as_router(state: Tensors) -> Tensors:
    """Return weight, bias and owner of each row, as `components.model.experts` reads them."""
    if CENTROIDS in state:
        rows = state[CENTROIDS]
        return {"weight": rows, "bias": -0.5 * (rows**2).sum(1), "owner": state["owner"]}
    weight, bias = lda(Sums.from_tensors(state), STRENGTH, 1.0)
    return {"weight": weight.float(), "bias": bias.float(), "owner": state["owner"]}
