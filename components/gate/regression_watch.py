"""Whether the champion lost more on an exam than the gate promised.

Concept: `watch` looks again and again at growing exams, so its bounds are those that hold at
every look (`anytime`). The gate lets pass a loss of the margin against the parent, and of the
anchor's margin over several versions; so a regression is a loss shown above the margin against
the parent, or above the anchor's margin against an older ancestor. The whole watch of one champion
errs with chance `watch_alpha` at most: that is shared out evenly over the exams, and of an exam's
share half goes to the parent, where most is to be seen, and half to all older ancestors together.

Promise: a champion that lost no more than that is never called regressed, at any look, with
probability 1 - `watch_alpha`; evidence that is absent, or of other items, shows nothing. The
guarantee is for exams that grow by items drawn alike, and stay as many as they are; an exam that
drops items begins a new generation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.gate import anytime
from components.gate.answer_pairs import Comparison, count_changes
from components.gate.comparison import missing, paired_verdict
from components.gate.paired_statistics import Changes
from components.gate.verdicts import Answers, Outcome, Rules, Verdict

Version = tuple[str, Mapping[str, Answers]]
NOTHING: Mapping[str, Mapping[str, Answers]] = {}


@dataclass(frozen=True, slots=True)
class Regression:
    """An exam on which the champion lost too much, and the newest ancestor it is shown to."""

    exam: str
    task: str
    target: str
    verdict: Verdict


def regressions(
    lineage: Sequence[Version],
    tasks: Mapping[str, str],
    rules: Rules,
    watch_alpha: float,
    restricted: Mapping[str, Mapping[str, Answers]] = NOTHING,
) -> list[Regression]:
    """Return, per exam, the newest ancestor to which the champion is shown to lose too much.

    Args:
        lineage: (version label, exam name -> answers), newest first; the first one is the
            champion, the second one its parent. Ancestors without an exam are skipped for it.
        tasks: exam name -> the task that it examines, for each exam of the champion.
        rules: their margins are the losses that are tolerated.
        watch_alpha: chance that any regression is named falsely, over all looks.
        restricted: version label -> exam name -> the champion's answers, were it to know the
            labels of that ancestor alone; for ancestors that knew fewer. What goes to new labels
            is no forgetting: the gate judged it apart.
    """
    found = []
    for exam in sorted(lineage[0][1]) if lineage else []:
        for label, verdict in _looks(lineage, exam, tasks[exam], rules, watch_alpha, restricted):
            if verdict.outcome is Outcome.FAIL:
                found.append(Regression(exam, tasks[exam], label, verdict))
                break
    return found


def _looks(
    lineage: Sequence[Version],
    exam: str,
    task: str,
    rules: Rules,
    watch_alpha: float,
    restricted: Mapping[str, Mapping[str, Answers]],
) -> Iterator[tuple[str, Verdict]]:
    """Yield the verdict of the champion against each ancestor that sat the exam."""
    champion, ancestors = lineage[0][1], lineage[1:]
    levels = shares(len(champion), len(ancestors), watch_alpha)
    for place, (label, answers) in enumerate(ancestors):
        if exam in answers:
            margin = rules.anchor_margin_points if place else rules.margin_points
            own = restricted.get(label, champion)[exam]
            asked = Comparison(
                "forgetting", task, exam, exam, f"version {label}", answers[exam], own,
                margin, levels[place], model="the champion",
            )  # fmt: skip
            yield label, look(asked)


def shares(exams: int, ancestors: int, watch_alpha: float) -> list[float]:
    """Return the level of an exam's comparison with each ancestor, the parent first.

    Law: `exams` times their sum is `watch_alpha`.
    """
    own, older = watch_alpha / exams, ancestors - 1
    return [own / 2] + [own / 2 / older] * older if older > 0 else [own] * ancestors


def look(asked: Comparison) -> Verdict:
    """Return the verdict of one look; FAIL: the lower bound of the loss is above the margin.

    Both bounds, and the loss that would be noticed, are those at the level of the comparison.
    """
    changes = count_changes(asked)
    if not isinstance(changes, Changes):
        return missing(asked, changes)
    margin, alpha = asked.margin_points / 100, asked.level
    bounds = anytime.lower_bound(changes, alpha), anytime.upper_bound(changes, alpha)
    detectable = anytime.detectable_loss(changes, margin, alpha)
    return paired_verdict(asked, changes, bounds, bounds[0] > margin, detectable)
