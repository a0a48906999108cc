"""A head that Ratchet does not ship: put beside its own, into a copy of the code."""

from __future__ import annotations

from typing import Any

import torch


class Cosine(torch.nn.Module):
    """The cosine to one direction for each label, times a saved scale."""

    def __init__(self, hidden_size: int, n_labels: int) -> None:
        super().__init__()
        self.directions = torch.nn.Parameter(torch.eye(n_labels, hidden_size))
        self.register_buffer("scale", torch.tensor(4.0))

    def forward(self, features: Any) -> Any:
        normal = torch.nn.functional.normalize
        return self.scale * (normal(features) @ normal(self.directions).T)


def cosine(parent: dict[str, Any] | None, hidden_size: int, n_labels: int) -> Cosine:
    head = Cosine(hidden_size, n_labels)
    if parent is not None:
        head.scale.copy_(parent["scale"])
        head.directions.data[: len(parent["directions"])] = parent["directions"]
    return head


ROWS = {"cosine": cosine}
