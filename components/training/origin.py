"""What a lesson's model starts from: the parent's, the base, or a part of the parent's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from components.items import Item
    from components.model.base import Base
    from components.model.bundle import Bundle
    from components.settings import Settings

Items = tuple["Item", ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a lesson's model starts from.

    `adapter`: a saved one's folder, None for a fresh one. `head`: tensors that its head grows from,
    None for one of zeros. `labels`: of the head's first rows.
    """

    adapter: Path | None = None
    head: dict[str, Tensor] | None = None
    labels: tuple[str, ...] = ()


def from_parent(base: Base, parent: Bundle | None, items: Items, settings: Settings) -> Origin:
    """Go on from the parent's model."""
    if parent is None:
        return Origin()
    return Origin(parent.adapter, parent.head_tensors(), parent.labels)


def from_base(base: Base, parent: Bundle | None, items: Items, settings: Settings) -> Origin:
    """Start from the base, with all labels that the parent knows."""
    return Origin(labels=parent.labels if parent else ())
