"""MLflow: what it shows and serves, against what the ledger says of each version."""

from __future__ import annotations

from collections.abc import Iterator

from components.operations.verification.findings import Found, Skipped
from components.operations.verification.scene import Scene


def check_registry(scene: Scene) -> Iterator[Found]:
    """The database, the rows of versions, their runs and the files of the runs."""
    yield Skipped("MLflow", "there is no reader of it yet")
