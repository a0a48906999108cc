"""Finding items again by digest: in stored batches and in holdout files.

Concept: a reference is (source, item digest); the source is a batch or a holdout file. Each
source is read once and kept for as long as the workspace lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from components.errors import Corrupted
from components.items import Item, read_items
from components.ledger.views import HeldItem
from components.pipeline.arrival import items_path
from components.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from components.training.memory import MemoryRef

REMEDY = "Restore the data (`dvc pull`), then run the same command again."


class Library:
    """Items by (source, digest), read from the root on demand."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._shelves: dict[str, dict[str, Item]] = {}

    def held(self, items: Iterable[HeldItem]) -> dict[str, Item]:
        """Return held-out items by digest, with the task that they were held out for.

        Raises:
            Corrupted: a source is missing or lacks an item.
        """
        return {item.item: self._find(item.source, item.item) for item in items}

    def replay(self, references: Sequence[MemoryRef]) -> list[Item]:
        """Return the items that a replay memory refers to."""
        return [self._find(reference.batch, reference.item) for reference in references]

    def batch(self, batch: str, digests: Iterable[str]) -> list[Item]:
        """Return items of one batch."""
        return [self._find(batch, digest) for digest in digests]

    def _find(self, source: str, digest: str) -> Item:
        shelf = self._shelves.get(source)
        if shelf is None:
            shelf = self._shelves[source] = self._read(source)
        try:
            return shelf[digest]
        except KeyError:
            raise Corrupted(
                f"Item {digest[:12]} is not in its source {source[:12]}.", REMEDY
            ) from None

    def _read(self, source: str) -> dict[str, Item]:
        for path in (self._ws.holdouts / f"{source}.jsonl", items_path(self._ws, source)):
            if path.exists():
                return {item.digest: item for item in read_items(path)}
        raise Corrupted(f"The items of source {source[:12]} are missing.", REMEDY)
