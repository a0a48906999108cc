"""Look up items by digest, in stored batches and in holdout files.

Concept: a reference is (source, item digest); the source is a batch or a holdout file. Its lines
are sorted by digest, so only a few are read to find one, whatever the size of the batch. Items
that were found are cached in the process, up to a limit.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import Corrupted
from components.identity import Identity
from components.items import Item, from_json
from components.ledger import views
from components.ledger.views import HeldItem
from components.workspace.batch_files import items_path
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.training.memory import MemoryRef

REMEDY = "Restore the data (`dvc pull`), then run the same command again."
KEPT_ITEMS = 20_000
"""A replay memory and some exams of full size: about 20 MB of short texts."""

_FOUND: OrderedDict[tuple[Path, str, str], Item] = OrderedDict()


class Library:
    """Items by (source, digest), read from the root on demand."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._open: tuple[str, Path, list[bytes]] | None = None

    def held(self, items: Iterable[HeldItem]) -> dict[str, Item]:
        """Return held-out items by digest, with the task that they were held out for.

        Raises:
            Corrupted: a source is missing or lacks an item.
        """
        wanted = sorted((item.source, item.item, item.task) for item in items)
        return {
            digest: _of_task(self._find(source, digest), task) for source, digest, task in wanted
        }

    def remembered(self, references: Sequence[MemoryRef]) -> list[Item]:
        """Return the items that a memory refers to."""
        names = views.renamed_tasks(self._ws.ledger)
        found = (self._find(reference.batch, reference.item) for reference in references)
        return [_of_task(item, names.get(item.task, item.task)) for item in found]

    def batch(self, batch: str, digests: Iterable[str]) -> list[Item]:
        """Return items of one batch."""
        return [self._find(batch, digest) for digest in digests]

    def _find(self, source: str, digest: str) -> Item:
        key = (self._ws.root, source, digest)
        item = _FOUND.get(key)
        if item is None:
            item = _FOUND[key] = self._read(source, digest)
            while len(_FOUND) > KEPT_ITEMS:
                _FOUND.popitem(last=False)
        _FOUND.move_to_end(key)
        return item

    def _read(self, source: str, digest: str) -> Item:
        path, lines = self._lines(source)
        digest_of = partial(_digest, self._ws.identity, path)
        line = bisect_left(lines, digest, key=digest_of)
        if line == len(lines) or digest_of(lines[line]) != digest:
            raise Corrupted(f"Item {digest[:12]} is not in its source {source[:12]}.", REMEDY)
        return from_json(json.loads(lines[line]), self._ws.identity)

    def _lines(self, source: str) -> tuple[Path, list[bytes]]:
        """Return a source's file and lines; the last one stays open, as references are sorted."""
        if self._open is not None and self._open[0] == source:
            return self._open[1:]
        for path in (self._ws.holdouts / f"{source}.jsonl", items_path(self._ws, source)):
            if path.exists():
                self._open = (source, path, path.read_bytes().splitlines())
                return self._open[1:]
        raise Corrupted(f"The items of source {source[:12]} are missing.", REMEDY)


def _of_task(item: Item, task: str) -> Item:
    """Return the item with its task as it is called now; its line keeps the earlier name."""
    return item if item.task == task else replace(item, task=task)


def _digest(identity: Identity, path: Path, line: bytes) -> str:
    try:
        row = json.loads(line)
        return identity.item(row[identity.modality], row["label"])
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Corrupted(f"{path} has a line that is no longer a valid item.", REMEDY) from None
