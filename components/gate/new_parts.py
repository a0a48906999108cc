"""Whether what is new in a batch was learned: better than always guessing the majority class.

Concept: a new task, or a new label of a known one, has no earlier version to be held against. Its
held-out rows are held against a floor instead.

Promise: what guesses is not learned, and what has no held-out row is not rejected but held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, isfinite

from components.gate import sentences
from components.gate.answer_pairs import by_item
from components.gate.binomial import binomial_bounds
from components.gate.paired_statistics import Changes, lower_bound, upper_bound
from components.gate.verdicts import BLOCKS, Answers, NewTask, Outcome, Rules, Verdict

IMBALANCED = 0.9
"""Share of the majority class from which an exam tells little about the other labels."""


def check_new_parts(parts: Sequence[NewTask], rules: Rules) -> list[Verdict]:
    """Return, per part of the batch that is new, whether it was learned.

    Several new labels of one task are decided on together, for each has few rows: one of ten that
    is not learned yet takes nothing from the others, and is noted.
    """
    found = []
    for part in parts:
        if part.known:
            continue
        verdict, together = _floor(part, rules), _together(part, parts, rules)
        open_one = verdict.outcome is Outcome.INCONCLUSIVE and verdict.n > 0
        found.append(replace(verdict, consequence="note") if together and open_one else verdict)
        if together and part is together[-1]:
            found.append(_floor(_joined(together), rules, _named_together(together)))
    return found


@dataclass(frozen=True, slots=True)
class Floor:
    """What must be shown better than guessing: `right` of `items` are.

    `share`: the accuracy of always guessing the majority class; `needed`: what to exceed; both in
    [0, 1]. `counted`: the share is of these very items, not known from elsewhere; `both`: on how
    many of them guessing is right as well, if that is known.
    """

    subject: str
    task: str
    right: int
    items: int
    share: float
    needed: float
    counted: bool
    both: int | None = None

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Return one-sided bounds of the accuracy at `alpha`."""
        if not self.counted:
            return binomial_bounds(self.right, self.items, alpha)
        gain = self._gain()
        return self.share + lower_bound(gain, alpha), self.share + upper_bound(gain, alpha)

    def at(self, items: int) -> Floor:
        """Return the same with so many items, answered alike."""
        scaled = [each and each * items // self.items for each in (self.right, self.both)]
        return replace(self, right=scaled[0] or 0, both=scaled[1], items=items)

    def _gain(self) -> Changes:
        """Return what the candidate gets right and guessing does not, and the other way round.

        The share is seen on the same items, so guessing is a model that they examine as well. Where
        it is not told which of them both get right, the fewest that can be make the widest bounds.
        """
        guessed = ceil(self.items * self.share - 1e-9)
        fewest = max(0, guessed + self.right - self.items)
        both = fewest if self.both is None else min(max(self.both, fewest), guessed, self.right)
        return Changes(self.right - both, guessed - both, self.items)

    def is_shown(self, alpha: float) -> bool:
        """Tell whether the accuracy is shown above what is needed."""
        return self.bounds(alpha)[0] > self.needed


def floors(parts: Sequence[NewTask], rules: Rules) -> Iterator[Floor]:
    """Yield what is decided of the new parts of a batch, as far as it can be counted.

    Where no row is held out, there are no items.
    """
    for part in parts:
        together = [] if part.known else _together(part, parts, rules)
        if part.known or (together and part is not together[-1]):
            continue
        joined = _joined(together) if together else part
        subject = _named_together(together) if together else part.subject
        if joined.candidate is not None and not len(joined.candidate.items):
            yield Floor(subject, part.task, 0, 0, 0.0, 0.0, False)
        elif not isinstance(found := _counted(joined, rules, subject), str):
            yield found


def _counted(part: NewTask, rules: Rules, subject: str) -> Floor | str:
    """Return what a part shows, or why it can't be counted."""
    share, answers = part.majority_share, by_item(part.candidate, "the candidate's")
    if isinstance(answers, str):
        return answers
    if share is None or not (isfinite(share) and 0 <= share <= 1):
        return "the share of the majority class is unknown"
    counted = part.label is None and rules.fail_beyond_margin
    needed = share + rules.floor_points / 100
    right = sum(answers.values())
    return Floor(subject, part.task, right, len(answers), share, needed, counted, part.both)


def _together(part: NewTask, parts: Sequence[NewTask], rules: Rules) -> list[NewTask]:
    """Return the new labels that are decided on together with this part; none for one by itself."""
    if rules.edition < 4 or part.label is None:
        return []
    own = _new_labels(part.task, parts)
    return own if len(own) > 1 else []


def _named_together(parts: Sequence[NewTask]) -> str:
    return f"{parts[0].task}, {len(parts)} new labels together"


def _new_labels(task: str, parts: Sequence[NewTask]) -> list[NewTask]:
    return [part for part in parts if part.task == task and part.label is not None]


def _joined(parts: Sequence[NewTask]) -> NewTask:
    """Return the rows of several new labels as one part; each model answered all of them.

    Items are named by label as well: in a recalled document each part counts its own from 0.
    """
    answered = [part for part in parts if part.candidate is not None and part.candidate.items]
    given = [(part.label, part.candidate) for part in answered if part.candidate is not None]
    candidate = Answers(
        [f"{label} {item}" for label, each in given for item in each.items],
        [right for _, each in given for right in each.correct],
    )
    share = max((part.majority_share or 0.0 for part in answered), default=None)
    return replace(parts[0], candidate=candidate, majority_share=share)


def _others(floor: Floor) -> int | None:
    """Return how many items are not of the majority class, where nearly all are."""
    few = floor.counted and floor.share >= IMBALANCED
    return round(floor.items * (1 - floor.share)) if few else None


def _floor(part: NewTask, rules: Rules, subject: str = "") -> Verdict:
    """Check that the accuracy is above always guessing the majority class."""
    subject = subject or part.subject
    nothing = part.candidate is not None and not len(part.candidate.items)
    if nothing and part.majority_share is None:
        sentence = sentences.nothing_held_out(subject)
        return Verdict("learned", part.task, "", Outcome.INCONCLUSIVE, "hold", sentence)
    floor = _counted(part, rules, subject)
    if isinstance(floor, str):
        sentence = f"{subject}: not examined, because {floor}."
        return Verdict("learned", part.task, "", Outcome.MISSING, "reject", sentence)
    right, items, share = floor.right, floor.items, floor.share
    lower, upper = floor.bounds(rules.alpha)
    outcome = Outcome.FAIL if upper <= floor.needed else Outcome.INCONCLUSIVE
    outcome = Outcome.PASS if lower > floor.needed else outcome
    return Verdict(
        "learned",
        part.task,
        "",
        outcome,
        BLOCKS[outcome],
        sentences.floor(subject, right, items, lower, floor.needed, outcome, _others(floor)),
        effect_points=100 * (share - right / items),
        lower_points=100 * (share - upper),
        upper_points=100 * (share - lower),
        margin_points=0.0 - rules.floor_points,
        n=items,
        detectable_points=100 * (upper - right / items),
    )
