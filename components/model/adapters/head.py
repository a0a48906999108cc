"""No adapter: the head alone learns, on the base's own features. The lower reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..adapters.in_place import Names, in_place_method

if TYPE_CHECKING:
    from torch import nn


def names(fork: nn.Module, settings: Any) -> Names:
    """Return no weight."""
    return []


METHOD = in_place_method(names, shape=())
