"""Bounds of the loss that are valid at every look, for repeated looks by `watch`.

Concept: the chance of the seen changes under a mixture of all trinomials, divided by their
largest chance under any trinomial of a given loss, is an e-process: were that loss the true
one, it would ever reach 1/alpha with probability alpha at most, whenever and however often
one looks. The bounds are the losses not yet refuted so.

Promise: only counts enter, so the order of the items never matters.
Sources: Ville 1939; Wasserman, Ramdas, Balakrishnan 2020 (universal inference), PNAS 117,
16880; Robbins 1970 (mixtures), Annals of Mathematical Statistics 41, 1397.
"""

from __future__ import annotations

from math import lgamma, log

from components.gate.paired_statistics import Changes, last_accepted, restricted_better

_PRIOR = (1.0, 1.0, 20.0)
"""Dirichlet weights of (worse, better, same): honest updates change about a tenth of the
answers. Any weights are valid; these notice sooner than flat ones where churn is low."""


def log_evidence_against(changes: Changes, loss: float) -> float:
    """Return the log e-value against "the true loss is `loss`".

    Law: for items drawn alike with that loss, exp of it exceeds 1/alpha at some look with
    probability alpha at most. It grows with the distance of `loss` from the observed one.
    """
    return _log_mixture(changes) - _log_restricted(changes, loss)


def shows_loss(changes: Changes, alpha: float) -> bool:
    """Return whether a loss above zero is shown, at all looks together at level `alpha`.

    Only changed answers speak: without a loss each falls to either side with chance 1/2 at
    most for the worse. Their chance under a uniform mixture of larger chances, divided by that
    under 1/2, is an e-process; it pays for one unknown rate where the bounds pay for two, so
    it sees a loss sooner. Source: Ville 1939 (the sequential sign test).
    """
    from scipy.special import betainc, betaln

    worse, better = changes.worse, changes.better
    tail = float(betainc(better + 1, worse + 1, 0.5))  # P(Beta(worse + 1, better + 1) > 1/2)
    if tail <= 0:
        return False
    mixture = log(2) + float(betaln(worse + 1, better + 1)) + log(tail)
    return mixture + (worse + better) * log(2) >= -log(alpha)


def upper_bound(changes: Changes, alpha: float) -> float:
    """Return the upper bound of the loss that holds at all looks together, 1 - `alpha`."""
    limit = -log(alpha)
    return last_accepted(changes, lambda loss: log_evidence_against(changes, loss) < limit)


def lower_bound(changes: Changes, alpha: float) -> float:
    """Return the lower bound of the loss that holds at all looks together, 1 - `alpha`."""
    return -upper_bound(changes.swapped(), alpha)


def _log_mixture(changes: Changes) -> float:
    """Return the log chance of the sequence under the Dirichlet mixture of trinomials."""
    total = sum(_PRIOR)
    pairs = zip(_counts(changes), _PRIOR, strict=True)
    rising = sum(lgamma(count + weight) - lgamma(weight) for count, weight in pairs)
    return rising + lgamma(total) - lgamma(changes.items + total)


def _log_restricted(changes: Changes, loss: float) -> float:
    """Return the largest log chance of the sequence under any trinomial of this loss."""
    better = float(restricted_better(changes.worse, changes.better, changes.items, loss))
    rates = (better + loss, better, 1 - 2 * better - loss)
    return sum(
        count * (log(rate) if rate > 0 else -float("inf"))
        for count, rate in zip(_counts(changes), rates, strict=True)
        if count
    )


def _counts(changes: Changes) -> tuple[int, int, int]:
    return changes.worse, changes.better, changes.items - changes.worse - changes.better
