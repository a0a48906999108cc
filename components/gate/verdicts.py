"""The input and output values of the gate.

Concept: answers of models to exams go in; a verdict of each check comes out, with every
number that it rests on. A verdict says what was found (`outcome`) and what that asks for
(`consequence`); the decision is the most severe consequence.

Promise: every number of a verdict is finite or None, and a verdict survives the way through
JSON unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from enum import StrEnum
from math import isfinite
from typing import Any, Literal

from components.gate import alpha_spending
from components.gate.policies import NO_CHECKS, CheckRules, Policy

Consequence = Literal["promote", "note", "hold", "reject"]
Action = Literal["promote", "probation", "hold", "reject"]
Undecided = Literal["hold", "probation"]
CheckName = Literal[
    "forgetting",
    "anchor",
    "learned",
    "competition",
    "anchor_competition",
    "balance",
    "drift",
    "examination",
    "floors",
    "classes",
    "slices",
    "negative_flips",
    "calibration",
    "behaviour",
    "size",
    "latency",
]


class Outcome(StrEnum):
    """What a check found.

    INCONCLUSIVE: examined, too few items to tell. MISSING: could not be examined.
    """

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    MISSING = "MISSING"


Requests = Mapping[Outcome, Consequence]
"""What each outcome of a check asks for."""

BLOCKS: Requests = {
    Outcome.PASS: "promote",
    Outcome.INCONCLUSIVE: "hold",
    Outcome.FAIL: "reject",
    Outcome.MISSING: "reject",
}
ALARMS: Requests = {**BLOCKS, Outcome.INCONCLUSIVE: "note"}
HOLDS: Requests = {**ALARMS, Outcome.FAIL: "hold", Outcome.MISSING: "hold"}
NOTES: Requests = {**ALARMS, Outcome.FAIL: "note", Outcome.MISSING: "note"}
REQUESTS: Mapping[Policy, Requests] = {"note": NOTES, "hold": HOLDS, "reject": BLOCKS}
"""What the outcomes of a check ask for, by its policy; with `ignore` it is not made."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's answers to one exam.

    Args:
        items: item digests, each once.
        correct: whether each item was answered correctly, same length and order; anything but
            true or false (None, NaN, a share) makes the check MISSING.
        brier: the Brier score of each answer, halved into [0, 1]: 0 is sure and right, 1 sure
            and wrong; None where it is not asked for.
        confidence: the probability of each answer given, in [0, 1]; likewise.
    """

    items: Sequence[str]
    correct: Sequence[Any]
    brier: Sequence[Any] | None = None
    confidence: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class ExamResult:
    """How three models did on one exam of one snapshot.

    Args:
        exam: name of the exam, "task" or "task#generation".
        task: the task it examines.
        champion: answers of the version in force; None when it could not be scored.
        candidate: answers of the version under examination, or None.
        anchor: answers of the version this task is held against over the long run, or None.
        known: the task was promoted before, so this exam blocks; else it is only noted.
        in_batch: the batch holds rows of this task.
        turned_away: how many other candidates it did not let pass before, those of `spent` and
            those that it rejected apart.
        spent: how many candidates of the task came so near to the anchor's margin, by any of
            its exams, that they count for good.
        parts: by model ("champion", ...), the digest of all that decides its answers to this
            task: adapter, head, labels, routing, base. Equal digests, equal answers.
        labels: item digest -> its label; empty where classes are not looked at.
        slices: column -> item digest -> its value there.
        older: the items on which the anchor is held against the candidate, where not on all:
            rows that were held out of batches no later than the anchor's own.
        restricted: "champion" or "anchor" -> the candidate's answers, were it to know the labels
            of that model alone; empty where it knows no others.
        taken: item digest -> the label, new to the champion, that the candidate gives it.
        newer: the same of labels that are new to the anchor.
    """

    exam: str
    task: str
    champion: Answers | None
    candidate: Answers | None
    anchor: Answers | None
    known: bool
    in_batch: bool = False
    turned_away: int = 0
    spent: int = 0
    parts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    slices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    older: frozenset[str] | None = None
    restricted: Mapping[str, Answers] = field(default_factory=dict)
    taken: Mapping[str, str] = field(default_factory=dict)
    newer: Mapping[str, str] = field(default_factory=dict)

    @property
    def charged(self) -> float:
        """What the next candidate is charged for: `alpha_spending.count`."""
        return _charged(self)

    def candidate_for(self, reference: str) -> Answers | None:
        """Return the candidate's answers as far as this model could have given them."""
        return self.restricted.get(reference, self.candidate)

    @property
    def size(self) -> int:
        """How many items it has: as many as the model that answered most."""
        given = (self.champion, self.candidate, self.anchor)
        return max((len(each.items) for each in given if each is not None), default=0)

    def shared(self, reference: str) -> str | None:
        """Return the digest that candidate and reference share, or None."""
        return _shared(self.parts, reference)


@dataclass(frozen=True, slots=True)
class Said:
    """What people said of one input, all their answers to it taken together.

    Args:
        label: what it is; None where that is not known.
        none_of: labels that it is not.
        unclear: they could not tell, or contradicted each other: asking again is no use.
    """

    label: str | None = None
    none_of: frozenset[str] = frozenset()
    unclear: bool = False


UNASKED = Said()


@dataclass(frozen=True, slots=True)
class Differing:
    """An input of a pool that the models label differently; None: that model was not asked.

    `restricted`: "champion" or "anchor" -> the candidate's label among those of that model.
    """

    item: str
    champion: str | None
    candidate: str | None
    anchor: str | None
    given: Said = UNASKED
    restricted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PoolResult:
    """How three models answered one pool of unlabelled inputs.

    Where two of them give the same label, nothing is lost whatever the truth; so only the inputs
    on which they differ matter, and of those the ones that people have labelled.

    Args:
        exam, task, known, in_batch, turned_away, spent, parts: as of `ExamResult`.
        size: inputs that every model answered.
        differing: those on which not all models agree, by digest.
        unanswered: the models ("champion", ...) that could not be asked.
        repeats: answers of people that were asked for twice.
        conflicts: how many of those came out differently.
    """

    exam: str
    task: str
    size: int
    differing: Sequence[Differing]
    known: bool
    in_batch: bool = False
    turned_away: int = 0
    spent: int = 0
    parts: Mapping[str, str] = field(default_factory=dict)
    unanswered: frozenset[str] = frozenset()
    repeats: int = 0
    conflicts: int = 0

    @property
    def charged(self) -> float:
        """What the next candidate is charged for: `alpha_spending.count`."""
        return _charged(self)

    def shared(self, reference: str) -> str | None:
        """Return the digest that candidate and reference share, or None."""
        return _shared(self.parts, reference)


def _charged(source: ExamResult | PoolResult) -> float:
    return alpha_spending.count(source.spent, [1.0] * source.turned_away)


def _shared(parts: Mapping[str, str], reference: str) -> str | None:
    own = parts.get("candidate")
    return own if own is not None and own == parts.get(reference) else None


@dataclass(frozen=True, slots=True)
class NewTask:
    """Whether the batch was learned, on its own holdout rows of one task.

    Args:
        task: the task of these rows.
        candidate: its answers to the rows.
        champion: answers of the version in force, or None when there is none.
        majority_share: the accuracy of always guessing the majority class, in [0, 1].
            None makes the floor check MISSING. A task of one label has no such bar: give
            the share of that label among all that the model tells apart.
        known: the task was promoted before and brings no new label: it is held against the
            champion instead of the floor.
        label: when the rows are those of one new label, its name.
        both: on how many rows the candidate and always guessing the majority class are both right;
            None where that is not known.
    """

    task: str
    candidate: Answers | None
    champion: Answers | None
    majority_share: float | None
    known: bool
    label: str | None = None
    both: int | None = None

    @property
    def subject(self) -> str:
        """What these rows are called in a sentence."""
        return self.task if self.label is None else f"{self.task}, label {self.label}"


@dataclass(frozen=True, slots=True)
class DriftNote:
    """A drift finding and what the settings want done about it; None: could not be examined."""

    name: str
    drifted: bool | None
    policy: Policy
    sentence: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One input whose answer must be kept, and whether each model answers it correctly.

    `line`: its line in the file; `note`: why it must be kept. None: there is no champion, or
    no answer.
    """

    line: int
    task: str
    note: str
    champion: bool | None
    candidate: bool | None


@dataclass(frozen=True, slots=True)
class CaseResults:
    """The behaviour cases of one file; `file` is its digest."""

    file: str
    cases: Sequence[CaseResult]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds for one text at a time, pair by pair: the same text, moments apart."""

    champion: Sequence[float]
    candidate: Sequence[float]


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that one decision looks at.

    Args:
        exams: every exam that was sat.
        learned: whether the batch was learned, part by part.
        drift: drift findings.
        expected: names of the exams that must be there; one that is not is MISSING.
        cases: behaviour cases; None where none are named, or none were asked.
        adapter_bytes: what the candidate's adapter and head weigh; None where not weighed.
        timing: what answers take; None where not measured, or nothing to measure against.
        pools: every pool of a task that was examined.
        look: how many other looks at candidates of the same batch, or of batches that it was
            pooled from, came before.
    """

    exams: Sequence[ExamResult]
    learned: Sequence[NewTask]
    drift: Sequence[DriftNote] = ()
    expected: Sequence[str] = ()
    cases: CaseResults | None = None
    adapter_bytes: int | None = None
    timing: Timing | None = None
    pools: Sequence[PoolResult] = ()
    look: int = 0

    def compared(self) -> list[ExamResult]:
        """Return the exams of known tasks on which candidate and champion can differ."""
        return [exam for exam in self.exams if exam.known and exam.shared("champion") is None]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a candidate must show. Margins in points (0.01 of accuracy).

    Args:
        margin_points: tolerated loss against the champion.
        anchor_margin_points: tolerated loss against the anchor, over the whole stream.
        floor_points: by how much something new must beat its majority class.
        competition_points: the share of known items, in points, that may go to new labels
            though they were right among the known ones.
        anchor_competition_points: the same over the stream: the share of the items that were right
            among the labels of the anchor, and go to labels that came since. What is shown to be
            more is held for a person. None: it is not asked, as in earlier evidence.
        alpha: chance that a decision lets in a loss of the margin; chance that it rejects
            although nothing is lost; chance that any decision on one exam lets in a loss of
            the anchor's margin.
        approval: `always` holds what passed for a person.
        checks: the checks beyond forgetting; by default none is made.
        edition: 4 for today's rules; 3 for those of earlier evidence, under which every exam
            had to pass, every look had all of alpha, and FAIL needed a loss shown above zero
            (now: above the margin) and not shown within the margin.
        horizon: promotions that share the alpha for moving an anchor.
        undecided: `probation` lets what is open, and was not seen to lose too much, come into
            force until more answers are there (`probation`).

    Raises:
        ValueError: a margin, alpha or horizon that would let anything pass.
    """

    margin_points: float
    anchor_margin_points: float
    floor_points: float = 0.0
    alpha: float = 0.05
    approval: Literal["auto", "always"] = "auto"
    checks: CheckRules = NO_CHECKS
    edition: int = 4
    competition_points: float = 10.0
    anchor_competition_points: float | None = None
    horizon: int = 200
    undecided: Undecided = "hold"

    def __post_init__(self) -> None:
        margins = [self.margin_points, self.anchor_margin_points, self.competition_points]
        if self.anchor_competition_points is not None:
            margins.append(self.anchor_competition_points)
        if not all(isfinite(margin) and 0 < margin <= 100 for margin in margins):
            raise ValueError(f"margins must be in (0, 100] points, not {margins}")
        if not (0 < self.alpha < 0.5 and isfinite(self.floor_points) and self.floor_points >= 0):
            raise ValueError(f"alpha must be in (0, 0.5) and the floor at least 0: {self}")
        if self.horizon < 1:
            raise ValueError(f"the horizon must be one promotion at least: {self}")

    def anchor_alpha(self, count: float) -> float:
        """Return the level at which an exam lets pass against the anchor.

        `count`: what did not pass before, as `alpha_spending.count` weighs it.
        """
        if self.edition < 4:
            return self.alpha / 2 * alpha_spending.share(count)
        part = alpha_spending.ANCHOR_PART * alpha_spending.NOTICED
        return self.alpha * part * alpha_spending.share(count)

    @property
    def fail_beyond_margin(self) -> bool:
        """Whether FAIL needs a loss that is shown above the margin."""
        return self.edition >= 4

    def at_look(self, look: int) -> Rules:
        """Return the rules for one more look at the same batch, after `look` others."""
        if self.edition < 4:
            return self
        return replace(self, alpha=self.alpha * alpha_spending.look_share(look))

    @property
    def move_alpha(self) -> float:
        """The level at which a champion is shown better than an anchor.

        An even share for each promotion of the horizon: each could move the anchor to a version
        that only looks better.
        """
        if self.edition < 4:
            return self.alpha / 200
        return self.alpha * (1 - alpha_spending.ANCHOR_PART) / self.horizon

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Rules:
        """Return the rules from plain JSON values, as `asdict` gives them."""
        checks = CheckRules.from_json(values["checks"])
        return cls(**{"edition": 3, **values, "checks": checks})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found, with the numbers that it rests on.

    Args:
        check: which check.
        task, exam: what was examined; `exam` is empty for checks without one.
        open_labels: inputs of a pool whose labels could still decide; 0 where none could.
        group: which of the exam's items, or which score; empty where all of them, and right
            or wrong.
        outcome: what was found.
        consequence: what it asks for; the gravest one decides.
        effect_points: observed loss against the reference, in points; a gain is negative.
            For the floor check the reference is guessing the majority class.
        lower_points: one-sided lower bound of the loss, at the rules' alpha.
        upper_points: one-sided upper bound of the loss, at `level`.
        margin_points: the loss that would be tolerated.
        n: items examined.
        right_to_wrong, wrong_to_right: items whose answer changed.
        detectable_points: the smallest true loss noticed with chance 0.8; for the floor
            check, how far the accuracy is known upwards.
        level: chance that the loss lies above `upper_points` after all.
        certificate: the digest that both models share, where that is why the check passed.
        sentence: the verdict for a manager.
    """

    check: CheckName
    task: str
    exam: str
    outcome: Outcome
    consequence: Consequence
    sentence: str
    effect_points: float | None = None
    lower_points: float | None = None
    upper_points: float | None = None
    margin_points: float | None = None
    n: int = 0
    right_to_wrong: int | None = None
    wrong_to_right: int | None = None
    detectable_points: float | None = None
    level: float | None = None
    certificate: str | None = None
    group: str = ""
    open_labels: int = 0

    def __post_init__(self) -> None:
        floats = (value for value in astuple(self) if isinstance(value, float))
        if not all(isfinite(value) for value in floats):
            raise ValueError(f"a verdict must not contain a number that is not finite: {self}")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, one per field."""
        return {**asdict(self), "outcome": self.outcome.value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Verdict:
        """Return the verdict that `to_json` wrote."""
        return cls(**{**values, "outcome": Outcome(values["outcome"])})


PASSED_TOLD = 5
"""So many sentences tell what a promotion rests on."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Promote, promote on probation, hold for a person, or reject.

    Args:
        action: what to do.
        headline: one line a manager understands.
        reasons: the sentences behind it, gravest first.
        verdicts: every check's, in the order of the examination.
        settle: all that it takes to settle a hold, each with its cost.
    """

    action: Action
    headline: str
    reasons: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    settle: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """The reasons, and what it takes to settle a hold, as sentences.

        Of a promotion, first what it rests on; the reasons beside that decided nothing.
        """
        settled = [f"To settle it: {way}." for way in self.settle]
        if self.action != "promote":
            return (*self.reasons, *settled)
        whole = [v for v in self.verdicts if v.check in ("forgetting", "learned")]
        passed = [v.sentence for v in whole if v.outcome is Outcome.PASS]
        noted = {v.sentence for v in self.verdicts if v.consequence == "note"}
        beside = [
            f"Noted only: {each}" if each in noted and "Noted only: " not in each else each
            for each in self.reasons
            if each not in passed
        ]
        more = [f"{len(passed) - PASSED_TOLD} more passed."] if len(passed) > PASSED_TOLD else []
        return (*passed[:PASSED_TOLD], *more, *beside, *settled)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, one per field."""
        verdicts = [verdict.to_json() for verdict in self.verdicts]
        return {
            "action": self.action,
            "headline": self.headline,
            "reasons": list(self.reasons),
            "settle": list(self.settle),
            "verdicts": verdicts,
        }
