"""The wall between training and holdouts: which side each item of a batch falls on.

Concept: the side is drawn from the item's normalised text and the seed, by hashing. So it
is the same in every order, every batch and every process, and an auditor can recompute it
for one item without the others.

Promise (law 4, holdouts never train): a text that was ever held out is blocked; a text that
was ever trained on never enters a holdout; near-duplicates stand on one side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.digest import json_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from components.items import Item

HELD_OUT = "its text is held out for an exam or a behaviour case"


@dataclass(frozen=True, slots=True)
class Split:
    """The sides of one batch, each sorted by item digest; `blocked` pairs item and reason."""

    train: tuple[Item, ...]
    holdout: tuple[Item, ...]
    blocked: tuple[tuple[Item, str], ...]


def split_items(
    items: Iterable[Item],
    fraction: float,
    seed: int,
    held: frozenset[str],
    trained: frozenset[str],
) -> Split:
    """Divide a batch into training and holdout items.

    Args:
        items: the accepted items, in any order.
        fraction: expected share of the holdout, 0 to 1; each text is drawn by itself.
        seed: of the draw.
        held: near digests of items that are held out, at least all that `items` share;
            these are blocked.
        trained: near digests of items that were trained on, likewise; these can only train
            again.
    """
    train: list[Item] = []
    holdout: list[Item] = []
    blocked: list[tuple[Item, str]] = []
    for item in sorted(items, key=lambda item: (item.digest, item.task)):
        if item.near in held:
            blocked.append((item, HELD_OUT))
        elif item.near not in trained and _draw(item.near, seed) < fraction:
            holdout.append(item)
        else:
            train.append(item)
    return Split(tuple(train), tuple(holdout), tuple(blocked))


def _draw(near: str, seed: int) -> float:
    """Return a number in [0, 1), uniform over texts."""
    return int(json_digest([seed, near])[:13], 16) / 16**13
