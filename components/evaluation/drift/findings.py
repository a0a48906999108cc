"""From the measurements of one batch to its findings.

Concept: one batch is tested in many ways, and each could cry wolf. The p-values are adjusted
together so that the false discovery rate of the batch is at most alpha; where nothing drifted
at all that is the chance of any finding. A finding must also be large: its effect has a floor.

Source: Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57, 289-300;
for tests of one batch, which depend on each other positively, Benjamini and Yekutieli 2001,
Annals of Statistics 29, 1165-1188.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.evaluation.drift.samples import Chance, Compared

if TYPE_CHECKING:
    from components.settings import DriftSettings, Policy

MAX_EXAMPLES, MAX_CLASSES = 5, 8


@dataclass(frozen=True, slots=True)
class Shift:
    """Something with a name, a share of the earlier rows and a share of the batch's.

    A label or a language; for `concept` the share that is answered wrongly, for
    `domain_classifier` the share that is taken for the batch's. None: unknown there.
    """

    name: str
    before: float | None
    after: float | None

    @property
    def growth(self) -> float:
        """How far it moved; less than before is below 0."""
        return (self.after or 0.0) - (self.before or 0.0)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one check measured, not yet judged.

    Args:
        statistic: AUC, squared discrepancy, chi-square, or a count.
        p_value: chance of such a statistic without drift.
        effect: what the floor is held against.
        n: rows of the batch that were looked at.
        moved: what moved, as the end of a sentence; never words of a text.
        examples: digests of the rows that show it best.
        classes: what moved, and how far.
    """

    statistic: float
    p_value: float
    effect: float
    n: int
    moved: str = ""
    examples: Sequence[str] = ()
    classes: Sequence[Shift] = ()


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """A row of the table of checks.

    Args:
        name: also the name of its policy in the settings.
        test: measures it, or says why that cannot be.
        floor: the setting that the effect must exceed.
        subject: what the effect says, with a place for it.
        unit: of effect and floor; "%" for a share in [0, 1].
        only: the one modality whose contents it reads; None where embeddings and labels do.
        held_above: the setting above which an effect is held where others are noted.
        remedy: what to do then, a sentence.
    """

    name: str
    test: Callable[[Compared, Chance], Measured | str]
    floor: str
    subject: str
    unit: Literal["", "%", "points"] = ""
    only: str | None = None
    held_above: str = ""
    remedy: str = ""

    def shown(self, value: float) -> str:
        """Return an effect or its floor for reading."""
        if self.unit == "%":
            return f"{100 * value:.1f} %"
        return f"{value:.1f} points" if self.unit else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. Numbers are None where it could not be made.

    Args:
        name: which check.
        statistic: see `Measured`.
        p_value: chance of such a statistic without drift, of this check alone.
        adjusted_p: the same among all checks of the batch; at most alpha, or no drift.
        effect: what `threshold` is held against.
        threshold: the floor of the effect.
        drifted: unlikely and large.
        n: rows of the batch that were looked at.
        policy: what the settings want done about it.
        sentence: the finding for a manager, with what moved.
        examples: at most five item digests.
        classes: at most eight labels, languages or the like, what moved most first.
        remedy: what to do where it is held although its policy is `note`; a sentence.
    """

    name: str
    statistic: float | None
    p_value: float | None
    adjusted_p: float | None
    effect: float | None
    threshold: float
    drifted: bool
    n: int
    policy: Policy
    sentence: str
    examples: tuple[str, ...] = ()
    classes: tuple[Shift, ...] = ()
    remedy: str = ""

    @property
    def examined(self) -> bool:
        """Whether the check could be made; if not, `drifted` says nothing."""
        return self.p_value is not None


def findings(
    measured: Mapping[DriftCheck, Measured | str], settings: DriftSettings, rows: int = 0
) -> tuple[Finding, ...]:
    """Judge all measurements of one batch of `rows` together, in their order."""
    made = {check: each for check, each in measured.items() if isinstance(each, Measured)}
    adjusted = dict(zip(made, adjust([each.p_value for each in made.values()]), strict=True))
    return tuple(
        _found(check, each, adjusted[check], settings, rows)
        if isinstance(each, Measured)
        else _unexamined(check, each, settings)
        for check, each in measured.items()
    )


def adjust(p_values: Sequence[float]) -> list[float]:
    """Return p-values that may be held against alpha at once, in the same order.

    Law: of those at most alpha, the expected share that is false is at most alpha (Benjamini
    and Hochberg 1995). None gets smaller than it was.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    adjusted, lowest = [1.0] * len(p_values), 1.0
    for rank, place in zip(range(len(p_values), 0, -1), order, strict=True):
        lowest = min(lowest, p_values[place] * len(p_values) / rank)
        adjusted[place] = max(lowest, p_values[place])
    return adjusted


def _found(
    check: DriftCheck, measured: Measured, adjusted: float, settings: DriftSettings, rows: int
) -> Finding:
    floor = float(getattr(settings, check.floor))
    drifted = adjusted <= settings.alpha and measured.effect > floor
    subject = check.subject.format(check.shown(measured.effect))
    policy = settings.policy_of(check.name)
    held_above = float(getattr(settings, check.held_above)) if check.held_above else 100.0
    too_far = drifted and policy == "note" and measured.effect > held_above
    moved = f": {measured.moved}" if drifted and measured.moved else ""
    sample = f"a sample of {measured.n:,} of {rows:,}" if measured.n < rows else f"{measured.n:,}"
    limit = check.shown(held_above if too_far else floor)
    sentence = (
        f"{'Drift' if drifted else 'No drift'}: {subject}{moved}; the limit is {limit} "
        f"({_chance(adjusted)} over all checks, {sample} rows)."
    )
    return Finding(
        check.name,
        measured.statistic,
        measured.p_value,
        adjusted,
        measured.effect,
        floor,
        drifted,
        measured.n,
        "hold" if too_far else policy,
        sentence,
        tuple(measured.examples[:MAX_EXAMPLES]),
        tuple(
            sorted(measured.classes, key=lambda each: (-abs(each.growth), each.name))[:MAX_CLASSES]
        ),
        check.remedy if too_far else "",
    )


def _chance(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def _unexamined(check: DriftCheck, why: str, settings: DriftSettings) -> Finding:
    return Finding(
        check.name,
        *(None, None, None, None),
        threshold=float(getattr(settings, check.floor)),
        drifted=False,
        n=0,
        policy=settings.policy_of(check.name),
        sentence=f"Drift by {check.name.replace('_', ' ')} was not examined: {why}.",
    )
