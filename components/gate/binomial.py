"""What a count says about a share: exact bounds and p-values.

Concept: `hits` of `items` items drawn alike follow a binomial law; nothing else is assumed, so
everything here is exact for any number of items.
Source: Clopper and Pearson 1934, Biometrika 26, 404-413.
"""

from __future__ import annotations

MOST_ITEMS = 1_000_000
"""No more items are ever asked for."""


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


def items_to_exceed(share: float, hits: int, items: int, alpha: float) -> int:
    """Return about how many items, in all, show a true share above `share`, if hits go on so.

    At most `MOST_ITEMS`; also where the hits so far are not above `share` themselves. Parts of
    a hit count, or the bound would not grow with the items.
    """
    from scipy.special import betaincinv

    if hits <= share * items:
        return MOST_ITEMS
    low, high, rate = items, MOST_ITEMS, hits / items
    while high - low > 1:
        middle = (low + high) // 2
        shows = betaincinv(rate * middle, (1 - rate) * middle + 1, alpha) > share
        low, high = (low, middle) if shows else (middle, high)
    return high
