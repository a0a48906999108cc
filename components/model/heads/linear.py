"""A linear classifier that grows: new labels get new rows, old rows keep their weights.

New rows start at zero, so a new label never pulls old answers before it was learned, and no
random numbers are spent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def grow(parent: dict[str, Tensor] | None, hidden_size: int, n_labels: int) -> nn.Module:
    """Return a head from (n, hidden_size) to (n, n_labels) logits.

    Args:
        parent: the saved tensors of an earlier head with at most `n_labels` rows, or None.
        hidden_size: width of the features.
        n_labels: rows of the new head; the first ones are the parent's, in its order.
    """
    import torch

    head = torch.nn.Linear(hidden_size, n_labels)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        if parent is not None:
            known = parent["weight"].shape[0]
            head.weight[:known] = parent["weight"]
            head.bias[:known] = parent["bias"]
    return head


def grown_labels(parent: tuple[str, ...], seen: set[str]) -> tuple[str, ...]:
    """Return the label order: the parent's, then the new ones sorted."""
    return parent + tuple(sorted(seen.difference(parent)))
