"""What people's labels say of the inputs of a pool that two models label differently.

Concept: a label says which of the two is right, or that neither is; without one, the input is open.
Nothing can be forgotten of an input whose label the reference does not know, so what is labelled
like that is left out. What the candidate gives a new label may be such an input: without a label,
it counts in the way that is worse for what is to be shown.
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
        size: inputs that count.
        unsure: more of them, that count if their label is known to the reference; the two agree
            on them.
        slips: answers of people that are expected to be wrong.
    """

    worse: int
    better: int
    neither: int
    unclear: int
    open: int
    size: int
    unsure: int = 0
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
        return Changes(worse, better, self.size + self.unsure)

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
    among = "anchor" if reference == "anchor" else "champion"
    old = [each for each in pool.differing if not _is_new(each, among)]
    found = [effect(each, reference) for each in old]
    counts = {name: found.count(name) for name in ("worse", "better", "neither", "unclear")}
    answered = counts["worse"] + counts["better"] + counts["neither"]
    wrong = pool.conflicts / pool.repeats / 2 if pool.repeats else 0.0
    unsure = sum(
        said is None and each.given.label is None and _goes_to_new(each, among)
        for each, said in zip(old, found, strict=True)
    )
    size = pool.size - (len(pool.differing) - len(old)) - unsure
    slips = ceil(wrong * answered)
    return Tally(**counts, open=found.count("open"), size=size, unsure=unsure, slips=slips)


def _goes_to_new(each: Differing, among: str) -> bool:
    """Tell whether the candidate gives an input a label that this model does not know."""
    return each.candidate != each.restricted.get(among, each.candidate)


def _is_new(each: Differing, among: str) -> bool:
    """Tell whether people gave an input such a label too."""
    return _goes_to_new(each, among) and each.given.label == each.candidate


def open_items(pool: PoolResult, references: Sequence[Reference]) -> list[str]:
    """Return the inputs whose label is open in one of these comparisons, by digest."""
    return sorted(
        each.item
        for each in pool.differing
        if any(effect(each, reference) == "open" for reference in references)
    )


def asked_inputs(pools: Iterable[PoolResult], verdicts: Iterable[Verdict]) -> frozenset[str]:
    """Return the inputs whose labels could settle what these verdicts hold, by digest.

    Each once: one label serves champion and anchor alike. None where something holds that no label
    could settle: people would answer for nothing.
    """
    held = [verdict for verdict in verdicts if verdict.consequence == "hold"]
    if not all(verdict.open_labels for verdict in held):
        return frozenset()
    by_exam = {pool.exam: pool for pool in pools}
    return frozenset(
        item
        for verdict in held
        for item in open_items(by_exam[verdict.exam], [REFERENCES[verdict.check]])
    )
