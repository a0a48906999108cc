"""What two models' bounded scores on the same items say about the mean loss.

Concept: an item's loss is a number in [-1, 1]: how much worse the candidate's score of it is. A
bettor who holds "the mean loss is m or more" for false stakes a fixed share of his money on
every item's loss being lower. Were m the true mean, or less than it, his money could not be
expected to grow; so the mean over several stakes is an e-value, above 1/alpha with chance alpha
at most. The bounds are the means not yet refuted so.

Promise: holds for any number of items and any shape of the losses, rare large ones included,
where a normal limit or a bootstrap does not; the order of the items never counts.
Sources: Waudby-Smith and Ramdas 2024, Journal of the Royal Statistical Society B 86, 1-27
(betting); Orabona and Jun 2024, IEEE Transactions on Information Theory 70, 436-455 (mixtures).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, log
from typing import Any

import numpy as np

STAKES = 0.96 / 2.0 ** np.arange(5)
"""Shares of the money that are staked. The best one is about (2 ln(1/alpha) / n)^(1/2) over the
standard deviation: these reach from nearly equal scores to 2,000 items that change by 0.5."""

_STEPS = 20
_MOST = 1 - 1e-6


def mean_loss(losses: Sequence[float]) -> float:
    """Return the mean; the same to the last bit in whatever order the losses come."""
    return fsum(losses) / len(losses)


def upper_bound(losses: Sequence[float], alpha: float) -> float:
    """Return the one-sided upper bound of the mean loss at confidence 1 - `alpha`.

    Args:
        losses: one an item, each in [-1, 1], at least one; of items that were drawn alike.
        alpha: chance that the true mean lies above the bound.

    Laws: permuting the losses changes nothing; an item without a loss (0) never raises a bound
    above zero; `upper_bound(x, a) == -lower_bound(-x, a)`.
    """
    values = np.sort(np.asarray(losses, float))
    inside, outside = mean_loss(losses), 1.0
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        refuted = log_evidence_against(values, middle) > -log(alpha)
        inside, outside = (inside, middle) if refuted else (middle, outside)
    return outside


def lower_bound(losses: Sequence[float], alpha: float) -> float:
    """Return the one-sided lower bound of the mean loss at confidence 1 - `alpha`."""
    return -upper_bound([-each for each in losses], alpha)


def loss_p_value(losses: Sequence[float], margin: float = 0.0) -> float:
    """Return a one-sided p-value against "the mean loss is `margin` or less".

    Law: it is `alpha` or less with chance `alpha` at most (Markov's inequality), and is so
    where `lower_bound` at that alpha is above the margin.
    """
    gains = np.sort(-np.asarray(losses, float))
    return exp(min(0.0, -log_evidence_against(gains, -margin)))


def log_evidence_against(values: Any, mean: float) -> float:
    """Return the log e-value against "the true mean is `mean` or more".

    `values`: sorted losses, shape (items,). Law: grows with `mean`.
    """
    mean = min(mean, _MOST)
    won = np.log1p(STAKES[:, None] * ((mean - values) / (1 - mean))).sum(axis=1)
    largest = float(won.max())
    return largest + log(float(np.exp(won - largest).mean()))
