"""One labelled example, as every room sees it, and its form on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.digest import canonical_json
from components.errors import Corrupted
from components.files import write_lines
from components.identity import PLAIN, Identity

UNLABELLED = ""
"""The label of an input that nobody has labelled: no item of a batch or an exam has it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One example that passed the contract.

    `content` is what a model answers to, of the kind that `modality` names. `digest` identifies
    (content, label); `near` is the digest under which near-duplicates of the content collide, the
    key of the wall between training and holdouts. `slices`: (column, value) of the further
    columns that the settings name, where there is one; they describe the item and are no part of
    what it is.
    """

    digest: str
    near: str
    content: str
    label: str
    task: str
    slices: tuple[tuple[str, str], ...] = ()
    modality: str = "text"

    @property
    def text(self) -> str:
        """The content, for readers that know texts alone."""
        return self.content


def make_item(
    content: str,
    label: str,
    task: str,
    slices: Mapping[str, str] | None = None,
    identity: Identity = PLAIN,
) -> Item:
    """Return the item with its digests computed."""
    own = tuple(sorted(slices.items())) if slices else ()
    digests = identity.item(content, label), identity.near(content)
    return Item(*digests, content, label, task, own, identity.modality)


def to_json(item: Item) -> dict[str, Any]:
    """Return the item as its line says it: the content under the name of its modality.

    Without slices the line has no such key.
    """
    row = {item.modality: item.content, "label": item.label, "task": item.task}
    return {**row, "slices": dict(item.slices)} if item.slices else row


def from_json(row: Mapping[str, Any], identity: Identity = PLAIN) -> Item:
    """Return the item of a line.

    Raises:
        LookupError, TypeError, AttributeError: it is none.
    """
    content = row[identity.modality]
    return make_item(content, row["label"], row["task"], row.get("slices"), identity)


def write_items(path: Path, items: Iterable[Item]) -> None:
    """Write items as JSONL in the order of their digests, in one step."""
    ordered = sorted(items, key=lambda item: (item.digest, item.task, item.slices))
    lines = (canonical_json(to_json(item)) + "\n" for item in ordered)
    write_lines(path, (line.encode("utf-8", "surrogatepass") for line in lines))


def read_items(path: Path, identity: Identity = PLAIN) -> list[Item]:
    """Read what `write_items` wrote.

    Raises:
        Corrupted: a line is not an item; names the file and the line.
    """
    items = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            items.append(from_json(json.loads(line), identity))
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Corrupted(
                f"{path}, line {number}: no longer a valid item.",
                "Restore the file (`dvc checkout`), then run the same command again.",
            ) from None
    return items
