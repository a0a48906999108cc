"""What a count says about a share: exact bounds and p-values.

Concept: `hits` of `items` items drawn alike follow a binomial law; nothing else is assumed, so
everything here is exact for any number of items.
Source: Clopper and Pearson 1934, Biometrika 26, 404-413.
"""

from __future__ import annotations


def binomial_bounds(hits: int, items: int, alpha: float) -> tuple[float, float]:
    """Return exact one-sided bounds of the true share, each wrong with chance `alpha` at most."""
    from scipy.special import betaincinv

    others = items - hits
    lower = float(betaincinv(hits, others + 1, alpha)) if hits else 0.0
    upper = float(betaincinv(hits + 1, others, 1 - alpha)) if others else 1.0
    return lower, upper


def p_value_not_above(hits: int, items: int, share: float) -> float:
    """Return the one-sided p-value against "the true share is `share` or less".

    Law: it is `alpha` or less just where the lower bound at that alpha reaches `share`.
    """
    from scipy.special import bdtrc

    return float(bdtrc(hits - 1, items, share)) if hits else 1.0


def p_value_not_below(hits: int, items: int, share: float) -> float:
    """Return the one-sided p-value against "the true share is `share` or more"."""
    return p_value_not_above(items - hits, items, 1 - share)
