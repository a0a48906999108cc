"""What people's labels say of the inputs of a pool that two models label differently.

Concept: a label says which of the two is right, or that neither is; without one, the input is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from components.gate.paired_statistics import Changes
from components.gate.verdicts import Differing, PoolResult, Verdict

Effect = Literal["worse", "better", "neither", "unclear", "open"]
Reference = Literal["champion", "anchor", "restricted"]
"""What the candidate is held against: a model, or itself among the champion's labels."""


REFERENCES: Mapping[str, Reference] = {
    "forgetting": "champion",
    "anchor": "anchor",
    "competition": "restricted",
}
"""Check -> what it holds the candidate against."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What is known of the inputs that two models label differently.

    Args:
        worse: the reference is right; better: the candidate is; neither: both are wrong.
        unclear: people could not tell.
        open: nobody was asked.
        size: inputs of the pool.
        slips: answers of people that are expected to be wrong.
    """

    worse: int
    better: int
    neither: int
    unclear: int
    open: int
    size: int
    slips: int = 0

    @property
    def most_lost(self) -> Changes:
        """Return the counts with all that is not known a loss."""
        unknown = self.unclear + self.open
        worse, better = self._slipped(self.worse + unknown, self.better)
        return Changes(worse, better, self.size)

    @property
    def least_lost(self) -> Changes:
        """Return the counts with all that is not known a gain."""
        unknown = self.unclear + self.open
        better, worse = self._slipped(self.better + unknown, self.worse)
        return Changes(worse, better, self.size)

    def _slipped(self, more: int, less: int) -> tuple[int, int]:
        """Return the counts once `slips` of the answers that are not `more` turn out to be."""
        turned = min(self.slips, less)
        return more + turned + min(self.slips - turned, self.neither), less - turned


def effect(each: Differing, reference: Reference) -> Effect | None:
    """Return what a label says of two models' answers to one input; None: they are the same."""
    if reference == "restricted":
        before, after = each.restricted.get("champion"), each.candidate
    else:
        before = getattr(each, reference)
        after = each.restricted.get(reference, each.candidate)
    if before == after:
        return None
    said = each.given
    if said.unclear:
        return "unclear"
    if said.label is not None:
        return "worse" if said.label == before else "better" if said.label == after else "neither"
    return "neither" if {before, after} <= said.none_of else "open"


def tally(pool: PoolResult, reference: Reference) -> Tally:
    """Count what is known of the inputs on which candidate and reference differ."""
    found = [effect(each, reference) for each in pool.differing]
    counts = {name: found.count(name) for name in ("worse", "better", "neither", "unclear")}
    answered = counts["worse"] + counts["better"] + counts["neither"]
    wrong = pool.conflicts / pool.repeats / 2 if pool.repeats else 0.0
    size = pool.size - sum(_may_be_new(each) for each in pool.differing)
    return Tally(**counts, open=found.count("open"), size=size, slips=ceil(wrong * answered))


def _may_be_new(each: Differing) -> bool:
    """Tell whether an input may have a label that the champion does not know.

    On such a one nothing can be forgotten, so it does not count among the inputs.
    """
    known = each.restricted.get("champion", each.candidate)
    return each.candidate != known and each.given.label in (None, each.candidate)


def open_items(pool: PoolResult, references: Sequence[Reference]) -> list[str]:
    """Return the inputs whose label is open in one of these comparisons, by digest."""
    return sorted(
        each.item
        for each in pool.differing
        if any(effect(each, reference) == "open" for reference in references)
    )


def asked_inputs(pools: Iterable[PoolResult], verdicts: Iterable[Verdict]) -> frozenset[str]:
    """Return the inputs whose labels could settle what these verdicts hold, by digest.

    Each once: one label serves champion and anchor alike.
    """
    by_exam = {pool.exam: pool for pool in pools}
    return frozenset(
        item
        for verdict in verdicts
        if verdict.open_labels and verdict.consequence == "hold"
        for item in open_items(by_exam[verdict.exam], [REFERENCES[verdict.check]])
    )
