"""A ledger of its own for each test, with a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.ledger.ledger import Ledger
from tests.ledger.story import Ticking, fast_folder


@pytest.fixture
def path() -> Iterator[Path]:
    """Where the ledger lies."""
    with fast_folder() as folder:
        yield folder / "ratchet.db"


@pytest.fixture
def clock() -> Ticking:
    """A clock that tests move."""
    return Ticking()


@pytest.fixture
def ledger(path: Path, clock: Ticking) -> Ledger:
    """A new ledger."""
    return Ledger(path, clock)
