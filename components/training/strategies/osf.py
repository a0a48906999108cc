"""OSF: the adapter method moves only what earlier batches did not need, and that is all.

Source: as of `components.model.adapters.osf`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.training.strategies.strategy import Strategy

if TYPE_CHECKING:
    from components.model.base import Base
    from components.settings import Settings


def fits(settings: Settings, base: Base) -> str | None:
    """Refuse every other method."""
    own = settings.adapter.method
    return None if own == "osf" else f"it needs `adapter.method: osf`, not {own}"


STRATEGY = Strategy(keeps="Nothing.", fits=fits)
