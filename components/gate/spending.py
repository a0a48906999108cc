"""How the error of a check is shared out over all the decisions that one exam serves.

Concept: an exam is sat again at every batch, so its luck can deceive again and again. Decision
number k on it is made at level alpha * c / ((k + c - 1) * (k + c)). These levels add up to alpha
however many decisions there will be, and half of it is spent after c of them: then the exam is
worn and had better be followed by a fresh one, which begins anew.

Promise: whatever the decisions have to do with each other, the chance that any of them errs is
alpha at most (Bonferroni's inequality; spending over an open sequence after Foster and Stine
2008, Journal of the Royal Statistical Society B 70, 429-444).
"""

from __future__ import annotations


def share(served: int, halfway: int) -> float:
    """Return the part of alpha for the next decision, after `served` ones, in (0, 1].

    Law: the shares of `served` = 0, 1, ... n - 1 add up to `wear(n, halfway)`.
    """
    return halfway / ((served + halfway) * (served + halfway + 1))


def wear(served: int, halfway: int) -> float:
    """Return the part of alpha that `served` decisions have spent, in [0, 1)."""
    return served / (served + halfway)
