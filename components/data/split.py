"""The wall between training and holdouts: which side each item of a batch falls on.

Concept: every label of every task gives its share, so that a rare new label can be examined
too. Within a label, the texts with the smallest draws are held out; a draw is a hash of the
normalised text and the seed, so order, file and process do not count, and an auditor can
repeat it.

Promise (law 4, holdouts never train): a text that is held out is blocked; a text that was
trained on never enters a holdout; a text that an earlier split held out never trains;
near-duplicates stand on one side.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from components.digest import uniform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
    fractions: Mapping[str, float],
    seed: int,
    held: frozenset[str],
    trained: frozenset[str],
    once_held: frozenset[str] = frozenset(),
) -> Split:
    """Divide a batch into training and holdout items.

    Args:
        items: the accepted items, in any order.
        fractions: task -> share of each label's texts that is held out, 0 to 1. Of two texts
            or more one is held out and one trains (near-duplicates under another label are one
            text with them, so they may take the last one); the labels of a single text give
            their share together.
        seed: of the draws.
        held: near digests of items that are held out, at least all that `items` share;
            these are blocked.
        trained: near digests of items that were trained on, likewise; these can only train
            again.
        once_held: near digests that an earlier split held out, likewise; where they are
            neither held nor trained, they are held out again, and count towards the share.
    """
    ordered = sorted(items, key=lambda item: (item.digest, item.task))
    free = [item for item in ordered if item.near not in held | trained]
    out = once_held & {item.near for item in free}
    for task, least, texts in _strata(free):
        count = _count(len(texts), fractions[task], least)
        drawn = sorted(texts, key=lambda near: (near not in once_held, uniform([seed, near]), near))
        out |= set(drawn[:count])
    train: list[Item] = []
    holdout: list[Item] = []
    blocked: list[tuple[Item, str]] = []
    for item in ordered:
        if item.near in held:
            blocked.append((item, HELD_OUT))
        else:
            (holdout if item.near in out else train).append(item)
    return Split(tuple(train), tuple(holdout), tuple(blocked))


def _strata(items: Iterable[Item]) -> Iterator[tuple[str, int, set[str]]]:
    """Yield (task, how many texts are held out at least, texts), for each label of each task.

    The labels of a task that have a single text are one stratum, in which none must be.
    """
    texts, single = defaultdict[tuple[str, str], set[str]](set), defaultdict[str, set[str]](set)
    for item in items:
        texts[item.task, item.label].add(item.near)
    for (task, _), own in texts.items():
        if len(own) > 1:
            yield task, 1, own
        else:
            single[task] |= own
    yield from ((task, 0, own) for task, own in single.items())


def _count(texts: int, fraction: float, least: int) -> int:
    """Return how many are held out; the half of an odd one is not, so a half is at most that."""
    if fraction == 0.0:
        return 0
    return max(least, min(ceil(fraction * texts - 0.5), texts - least))
