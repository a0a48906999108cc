"""What a bundle remembers of earlier batches: references, never the rows themselves.

Concept: a memory is a bounded list of references, balanced over (task, label). Which ones
stay is decided by a keyed hash of the item, so it is a uniform sample of all that was seen,
without a random state to carry along, and independent of the order of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from components.digest import json_digest
from components.items import Item
from components.model.bundle import Bundle


@dataclass(frozen=True, slots=True, order=True)
class MemoryRef:
    """One remembered training row: the batch that holds it, and the item's digest."""

    batch: str
    item: str
    task: str
    label: str

    def to_json(self) -> dict[str, str]:
        """Return the reference as JSON values."""
        return asdict(self)


def remembered(
    bundle: Bundle | None, renamed: Mapping[str, str] | None = None
) -> tuple[MemoryRef, ...]:
    """Return the memory of a version; before the first one there is none.

    `renamed`: earlier name of a task -> what it is called now.
    """
    names = renamed or {}
    refs = [MemoryRef(**ref) for ref in bundle.read_json("memory.json")] if bundle else []
    return tuple(replace(ref, task=names.get(ref.task, ref.task)) for ref in refs)


def references(batch: str, items: Iterable[Item]) -> list[MemoryRef]:
    """Return references to `items` of `batch`."""
    return [MemoryRef(batch, item.digest, item.task, item.label) for item in items]


def balanced(refs: Sequence[MemoryRef], size: int, key: object) -> tuple[MemoryRef, ...]:
    """Return at most `size` references, spread evenly over (task, label), sorted.

    Groups that are too small to fill their share leave it to the others. Inside a group
    those with the smallest keyed hash stay.

    Law: depends on the set of references, `size` and `key`, never on their order. With one
    `key`, a row once dropped does not come back.
    """
    groups: dict[tuple[str, str], list[tuple[str, MemoryRef]]] = {}
    for ref in {ref.item: ref for ref in sorted(refs, reverse=True)}.values():
        rank = json_digest([str(key), ref.item])
        groups.setdefault((ref.task, ref.label), []).append((rank, ref))
    places = [
        (place, rank, ref)
        for members in groups.values()
        for place, (rank, ref) in enumerate(sorted(members))
    ]
    return tuple(sorted(ref for _, _, ref in sorted(places)[:size]))
