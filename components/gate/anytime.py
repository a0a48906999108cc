"""Bounds of the loss that are valid at every look, for repeated looks by `watch`.

Concept: a bettor who holds "the loss is m or more" for false stakes a share s of his money on each
item. An item's loss x is 1 (worse), 0 (same) or -1 (better), and the money is multiplied by
1 + s (m - x) / (1 - m). That is never negative; and were the true loss m or more, its mean would
be at most 1, item by item, so the money, averaged over several stakes, is a supermartingale that
starts at 1. It would ever reach 1/alpha with probability alpha at most, whenever and however
often one looks (Ville's inequality). The bounds are the losses not yet refuted so.

Promise: only counts enter, so the order of the items never matters; one more worse answer never
lowers a bound. The bounds hold for items drawn alike, whatever share of the answers changed.
Sources: Ville 1939; Waudby-Smith and Ramdas 2024, Journal of the Royal Statistical Society B 86,
1-27 (betting on a bounded mean); Robbins 1970, Annals of Mathematical Statistics 41, 1397
(mixtures). No e-value against a mean of bounded values grows faster than some such bet: Larsson,
Ramdas, Ruf 2025, Annals of Statistics 53.
"""

from __future__ import annotations

from math import log, sqrt
from typing import Any

import numpy as np

from components.gate.bounded_scores import STAKES
from components.gate.paired_statistics import POWER, Changes, last_accepted, upper_quantile

_MOST = 1 - 1e-6


def log_evidence_against(worse: Any, better: Any, items: Any, loss: float) -> Any:
    """Return the log e-value against "the true loss is `loss` or more".

    Args:
        worse: counts, of any shape.
        better: counts, of the same shape.
        items: how many, of the same shape or a number.
        loss: in [-1, 1].
    Laws: exp of it exceeds 1/alpha at some look with probability alpha at most; it grows with
    `loss` and with `better`, and falls with `worse`.
    """
    loss = min(loss, _MOST)
    same = items - worse - better
    won = sum(
        np.multiply.outer(count, np.log1p(STAKES * ((loss - value) / (1 - loss))))
        for count, value in ((worse, 1), (better, -1), (same, 0))
    )
    most = won.max(axis=-1)
    return most + np.log(np.exp(won - most[..., None]).mean(axis=-1))


def upper_bound(changes: Changes, alpha: float) -> float:
    """Return the upper bound of the loss that holds at all looks together, 1 - `alpha`."""
    limit, counts = -log(alpha), (changes.worse, changes.better, changes.items)
    return last_accepted(changes, lambda loss: bool(log_evidence_against(*counts, loss) < limit))


def lower_bound(changes: Changes, alpha: float) -> float:
    """Return the lower bound of the loss that holds at all looks together, 1 - `alpha`."""
    return -upper_bound(changes.swapped(), alpha)


def detectable_loss(changes: Changes, margin: float, alpha: float) -> float:
    """Return the smallest true loss whose lower bound exceeds `margin` in 4 looks of 5.

    The churn is taken as observed, or as the loss itself where that is larger. The counts are
    those that lose as much less than usual as 1 case in 5 does, in the normal limit.
    """
    items, inside, outside = changes.items, margin, 1 - 1e-9
    for _ in range(20):
        loss = (inside + outside) / 2
        churn = max(changes.churn, loss)
        spread = churn - loss * loss
        luck = upper_quantile(1 - POWER) * sqrt(items * spread)
        lost = items * loss - luck
        changed = max(abs(lost), items * churn - luck * loss * (1 - churn) / spread)
        counts = (changed - lost) / 2, (changed + lost) / 2, items
        noticed = log_evidence_against(*counts, -margin) >= -log(alpha)
        inside, outside = (inside, loss) if noticed else (loss, outside)
    return outside
