"""Time as an argument: the only thing that tests replace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present moment, timezone-aware, in UTC."""
    return datetime.now(UTC)
