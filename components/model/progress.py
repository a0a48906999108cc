"""How long work tells where it stands."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total), in steps or rows; done never shrinks and ends at total."""


def silent(done: int, total: int) -> None:
    """Tell nobody."""
