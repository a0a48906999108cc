"""How alpha is spread over the looks at one batch, and over all candidates of a task.

Looks: a batch that is examined again after a refill, a release or another training is the same
question asked again. Its n-th look takes `look_share(n)` of alpha; these add up to alpha, so a
batch that must not pass gets through at any of its looks with chance alpha at most (Bonferroni).

Anchor: a candidate is *bad* if it truly loses the anchor's margin or more. It passes at the level
`share(count)` times a part of alpha, where the count grows with candidates that did not pass:

* `spent`, of the task, for good: the loss seen was so close to the margin or beyond it that the
  p-value against the margin was above `FAR`, and yet not shown to be beyond it;
* `held`, of the exam: all others that it did not let pass, against champion or anchor, and did not
  reject, for as long as the items that they were held on are in the exam.

What is rejected, because it is shown to lose more than is tolerated, spends nothing.

Promise, for items that were not answered before: the chance that a bad candidate ever gets past
the anchor is `ANCHOR_PART` of alpha at most, however many candidates, exams and generations of
exams there are, and whatever sound candidates do in between. For: given the past, a bad candidate
passes with chance `level` at most, and spends with chance `NOTICED` at least (the ratio of the two
is largest at the margin itself: a larger loss takes more from the pass region than from the
middle). So while `spent` stays the same, at most 1 / NOTICED bad candidates are tried on average,
and `level / NOTICED` of them pass; summed over all values of `spent`, the shares add up to one.
A sound candidate hardly ever looks that bad, so a sound stream spends nothing for good.

On items that were answered before, the champion was picked by them, and what follows it inherits
its luck: many tries with small losses climb. `held` is there for that. What is left is measured
and not proved: `docs/gate.md`. Sources: Foster and Stine 2008, Journal of the Royal Statistical
Society B 70, 429-444 (spending over an open sequence); Dwork et al. 2015, Science 349, 636-638
(what reuse does to a holdout).
"""

from __future__ import annotations

from collections.abc import Iterable

OVERUSED_AFTER = 6
"""At this count an exam had better be followed by a fresh one, or get fresh items: the next
candidate must then pass at less than a hundredth of alpha."""

ANCHOR_PART = 0.9
"""The part of alpha for passing against the anchor; the rest is for moving it."""

FAR = 0.25
"""A candidate that did not pass spends for good if its p-value is above this."""

NOTICED = 0.7
"""The least chance that a bad candidate spends: 1 - FAR, less alpha for what is rejected."""

FIRST_LOOK = 0.8


def look_share(look: int) -> float:
    """Return the part of alpha for a look at a batch, 0 being the first.

    0.8, 0.1, 0.05, 0.025 and so on. Law: the shares add up to 1.
    """
    return FIRST_LOOK if look == 0 else (1 - FIRST_LOOK) / 2**look


def share(count: float) -> float:
    """Return the part for the next candidate, in (0, 2/3].

    Law: the shares of 0, 1, ... n - 1 add up to `spent(n)`.
    """
    return 4 / ((count + 1) * (count + 2) * (count + 3))


def spent(count: float) -> float:
    """Return the part that is spent, in [0, 1)."""
    return 1 - 2 / ((count + 1) * (count + 2))


def count(spent_before: int, held: Iterable[float]) -> float:
    """Return what the next candidate is charged for.

    Args:
        spent_before: candidates of the task that spent for good.
        held: for each other candidate that the exam did not let pass and did not reject, the
            share of the items it was held on that are still in the exam, in [0, 1].
    """
    return spent_before + sum(held)
