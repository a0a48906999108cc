"""Everything in which MLflow parts from the ledger, in one list."""

from __future__ import annotations

from collections.abc import Iterator

from components.pipeline.registration_records import (
    alias_differences,
    expected,
    files_wrong,
    records,
)
from components.registry.inspection import differences
from components.workspace.root import Workspace


def registry_differences(ws: Workspace, deep: bool = True) -> Iterator[tuple[str, str]]:
    """Yield (place, words) of everything in which MLflow parts from the ledger.

    Without `deep`, files are compared by size only. Aliases are those of `mirror`.

    Raises:
        Corrupted: MLflow's database is gone, or cannot be read.
    """
    yield from alias_differences(ws)
    shown = ws.registry.shown()
    for record in records(ws):
        number = record.version.version
        for words in differences(expected(ws, record), shown.get(number)):
            yield f"MLflow, version {number}", words
        for name, what in files_wrong(ws, record, deep).items():
            yield f"MLflow, version {number}", f"version {number}: {name} is {what}"
