"""A second way to draw streams of updates whose true losses are known.

Concept: every item has a latent score, and a version answers it rightly where the score lies above
a threshold that all share. From version to version the scores follow an AR(1) process, so the
true accuracy is constant and the churn is as asked, while answers are forgotten: after many
updates they share nothing with the anchor's but chance. `lasting` keeps a part of each score for
good, as hard items stay hard. A loss hits a fixed sub-population: the same items whatever is
tried, so a champion can't get rid of it by luck. Items can change together in clusters, and tasks
can share a part of what moves them.

Promise: the same seed gives the same streams. `worlds.World` is the other way to draw them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

ACCURACY = 0.84
"""About what the last of the real versions answer rightly (part 1)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What streams are like.

    Args:
        churn: share of items that an update turns from right to wrong or back.
        accuracy: of the first version.
        lasting: the part of a score's variance that no update changes.
        shared: correlation of what moves the items of two tasks.
        cluster: so many items in a row move together.
    """

    churn: float
    accuracy: float = ACCURACY
    lasting: float = 0.0
    shared: float = 0.0
    cluster: int = 1


@lru_cache(maxsize=256)
def correlation(churn: float, accuracy: float) -> float:
    """Return the correlation of two scores that lie on two sides of the threshold so often."""
    from scipy.integrate import quad
    from scipy.optimize import brentq
    from scipy.special import ndtr, ndtri

    cut = float(ndtri(1 - accuracy))

    def excess(kept: float) -> float:
        spread = (1 - kept * kept) ** 0.5

        def density(x: float) -> float:
            return float(np.exp(-x * x / 2) / (2 * np.pi) ** 0.5 * ndtr((cut - kept * x) / spread))

        return 2 * float(quad(density, cut, cut + 10)[0]) - churn

    return float(brentq(excess, 0.0, 0.99999))


class Latent:
    """Many streams at once. Answers are (streams, tasks, items), losses (streams, tasks).

    `lost` and `anchor_lost` are true losses since the beginning, in [-1, 1].
    """

    def __init__(
        self, kind: Kind, streams: int, tasks: int, items: int, seed: int, start: int | None = None
    ) -> None:
        from scipy.special import ndtri

        self.random, self.kind = np.random.default_rng(seed), kind
        self.size = (streams, tasks, items)
        self.cut = np.float32(ndtri(1 - kind.accuracy))
        whole = correlation(kind.churn, kind.accuracy)
        self.kept = (whole - kind.lasting) / (1 - kind.lasting)
        self.live, self.oldest = start or items, 0
        self.hard = self._noise(items) * np.float32(kind.lasting**0.5)
        self.score = self._noise(items)
        self.place = self.random.random(self.size, np.float32)
        self.lost = np.zeros(self.size[:2])
        self.anchor_lost = np.zeros(self.size[:2])
        self.since = np.zeros(self.size[:2], int)
        self.champion = self.right(self.score, self.lost)
        self.anchor = self.champion.copy()
        self.tried = self.score

    def right(self, score: Any, lost: Any, places: Any = slice(None)) -> Any:
        """Return which items a version with these scores and this true loss answers rightly."""
        kind, place = self.kind, self.place[..., places]
        known = self.hard[..., places] + score * np.float32((1 - kind.lasting) ** 0.5) > self.cut
        down = (np.maximum(lost, 0) / kind.accuracy).astype(np.float32)[..., None]
        up = (np.maximum(-lost, 0) / (1 - kind.accuracy)).astype(np.float32)[..., None]
        if not up.any():
            return known & (place >= down)
        return np.where(known, place >= down, place < up)

    def candidate(self, loss: Any) -> tuple[Any, Any]:
        """Return an update's answers and its true loss since the beginning."""
        fresh = np.float32((1 - self.kept**2) ** 0.5)
        self.tried = self.score * np.float32(self.kept) + fresh * self._noise(self.size[-1])
        lost = self.lost + loss
        return self.right(self.tried, lost), lost

    def promote(self, which: Any, right: Any, lost: Any) -> None:
        """Bring candidates into force in the streams that `which` marks."""
        self.score[which], self.champion[which] = self.tried[which], right[which]
        self.lost[which] = lost[which]
        self.since[which] += 1

    def move(self, which: Any) -> None:
        """Move the anchors that `which` marks, (streams, tasks), to the champion."""
        self.anchor[which], self.anchor_lost[which] = self.champion[which], self.lost[which]
        self.since[which] = 0

    def arrive(self, fresh: int) -> Any:
        """Let so many new items into each exam; those that do not fit push out the oldest.

        Returns their places.
        """
        if not fresh:
            return np.arange(0)
        if self.live < self.size[-1]:
            places = np.arange(self.live, min(self.live + fresh, self.size[-1]))
            self.live = int(places[-1]) + 1
        else:
            places = (self.oldest + np.arange(fresh)) % self.size[-1]
            self.oldest = (self.oldest + fresh) % self.size[-1]
        count = len(places)
        kept = (self.kept**self.since)[..., None].astype(np.float32)
        score = self._noise(count)
        before = kept * score + np.sqrt(1 - kept * kept) * self._noise(count)
        self.place[..., places] = self.random.random((*self.size[:2], count), np.float32)
        self.hard[..., places] = self._noise(count) * np.float32(self.kind.lasting**0.5)
        self.score[..., places] = score
        self.champion[..., places] = self.right(score, self.lost, places)
        self.anchor[..., places] = self.right(before, self.anchor_lost, places)
        return places

    def changes(self, before: Any, after: Any) -> tuple[Any, Any]:
        """Return (worse, better) over the items that are in the exams, each (streams, tasks)."""
        old, new = before[..., : self.live], after[..., : self.live]
        return (old & ~new).sum(-1), (new & ~old).sum(-1)

    def _noise(self, items: int) -> Any:
        """Return standard normal numbers, (streams, tasks, items), shared as the kind says."""
        kind, (streams, tasks, _) = self.kind, self.size
        count = -(-items // kind.cluster)
        own = self.random.standard_normal((streams, tasks, count), np.float32)
        if kind.shared:
            common = self.random.standard_normal((streams, 1, count), np.float32)
            own = np.float32((1 - kind.shared) ** 0.5) * own
            own = own + np.float32(kind.shared**0.5) * common
        return np.repeat(own, kind.cluster, -1)[..., :items] if kind.cluster > 1 else own
