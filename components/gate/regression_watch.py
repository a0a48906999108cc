"""Whether the champion is worse on an exam than one of its ancestors.

Concept: `watch` looks again and again at growing exams, so its bounds are those that hold at
every look (`anytime`). The whole watch of one champion errs with chance `watch_alpha` at most:
that is shared out evenly over exams and ancestors.

Promise: a regression is named only when shown; evidence that is absent, or of other items,
shows nothing. The guarantee is for exams that grow by items drawn alike; an exam that drops
items begins a new generation.
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


@dataclass(frozen=True, slots=True)
class Regression:
    """An exam on which the champion is shown worse, and the newest ancestor shown better."""

    exam: str
    task: str
    target: str
    verdict: Verdict


def regressions(
    lineage: Sequence[Version], tasks: Mapping[str, str], rules: Rules, watch_alpha: float
) -> list[Regression]:
    """Return, per exam, the newest ancestor that the champion is shown to lose to.

    Args:
        lineage: (version label, exam name -> answers), newest first; the first one is the
            champion. Ancestors without an exam are skipped for it.
        tasks: exam name -> the task that it examines, for each exam of the champion.
        rules: their margin is the loss that is tolerated.
        watch_alpha: chance that any regression is named falsely, over all looks.
    """
    found = []
    for exam in sorted(lineage[0][1]) if lineage else []:
        for label, verdict in _looks(lineage, exam, tasks[exam], rules, watch_alpha):
            if verdict.outcome is Outcome.FAIL:
                found.append(Regression(exam, tasks[exam], label, verdict))
                break
    return found


def _looks(
    lineage: Sequence[Version], exam: str, task: str, rules: Rules, watch_alpha: float
) -> Iterator[tuple[str, Verdict]]:
    """Yield the verdict of the champion against each ancestor that sat the exam."""
    champion, ancestors = lineage[0][1], lineage[1:]
    alpha = watch_alpha / max(1, len(champion) * len(ancestors))
    for label, answers in ancestors:
        if exam in answers:
            yield label, look(exam, task, label, answers[exam], champion[exam], rules, alpha)


def look(
    exam: str,
    task: str,
    ancestor: str,
    before: Answers,
    after: Answers,
    rules: Rules,
    alpha: float,
) -> Verdict:
    """Return the verdict of one look; FAIL needs the loss above zero and not within the margin.

    That a loss is shown is decided by the sharper sign test alone, at level `alpha`; the bounds
    that are printed hold at that level too.
    """
    comparison = Comparison(
        "forgetting", task, exam, exam, f"version {ancestor}", before, after,
        rules.margin_points, alpha, model="the champion",
    )  # fmt: skip
    changes = count_changes(comparison)
    if not isinstance(changes, Changes):
        return missing(comparison, changes)
    lower, upper = (
        anytime.lower_bound(changes, alpha),
        anytime.upper_bound(changes, alpha),
    )
    real = anytime.shows_loss(changes, alpha)
    return paired_verdict(
        comparison, changes, (max(lower, 0.0) if real else lower, upper), real, alpha
    )
