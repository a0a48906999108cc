"""How alpha is spread over all candidates that one exam sees.

Concept: an exam is sat again at every batch, so its luck can deceive again and again. After it
turned f candidates away, the next one is let pass at level 4 alpha / ((f + 1)(f + 2)(f + 3)); these
levels add up to alpha. Only who is turned away spends: of the candidates that must not pass, the
j-th is seen after at least j - 1 were turned away, unless one got through before; so the chance
that any ever gets through is alpha at most (Bonferroni's inequality), and a stream of sound
candidates spends nothing.

Promise: the levels hold for candidates that owe nothing to the exam. What comes from a champion
that was picked by it owes it a little, the more it turned away the more, against the champion as
well as against the anchor: that is why each of them spends, and quickly. `docs/gate.md`
measures what is left, on exams of 150 to 2,000 items. Sources: Foster and Stine 2008, Journal of
the Royal Statistical Society B 70, 429-444 (spending over an open sequence); Dwork et al. 2015,
Science 349, 636-638 (what reuse does to a holdout).
"""

from __future__ import annotations

OVERUSED_AFTER = 6
"""Turned away so many, an exam had better be followed by a fresh one: the next candidate must
then pass at less than a hundredth of alpha."""


def share(turned_away: int) -> float:
    """Return the part of alpha for the next candidate, in (0, 2/3].

    Law: the shares of `turned_away` = 0, 1, ... n - 1 add up to `spent(n)`.
    """
    return 4 / ((turned_away + 1) * (turned_away + 2) * (turned_away + 3))


def spent(turned_away: int) -> float:
    """Return the part of alpha that is spent, in [0, 1)."""
    return 1 - 2 / ((turned_away + 1) * (turned_away + 2))


FIRST_LOOK = 0.8


def look_share(look: int) -> float:
    """Return the part of alpha for one more look at the same batch, after `look` others.

    Law: the shares of any number of looks add up to 1 at most. The first one has most of it: few
    batches are looked at twice.
    """
    return FIRST_LOOK if look == 0 else (1 - FIRST_LOOK) / 2**look
