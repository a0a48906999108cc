"""Which exam of a task decides, where there are several.

Concept: a task's items come from three places. What people brought, labelled or not, was picked by
nobody who gains by it, so it decides where it is large enough to; rows held out of batches decide
where nothing else can. The others still reject what they show to be too bad, and are noted
otherwise: an exam too small to tell does not undo what a larger one told.

Promise: which exam decides follows from sizes and from where the items come, never from answers
to them; so choosing it costs no alpha.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, TypeVar

from components.exam_names import generation, origin, task_of
from components.gate.alpha_spending import OVERUSED_AFTER
from components.gate.paired_statistics import smallest_passing
from components.gate.verdicts import Examination, ExamResult, PoolResult, Rules

Source = ExamResult | PoolResult


class Sized(Protocol):
    """An exam or a pool, as far as the choice looks at it."""

    @property
    def exam(self) -> str:
        """Its name."""

    @property
    def size(self) -> int:
        """How many items it has."""

    @property
    def in_batch(self) -> bool:
        """Whether the batch holds rows of its task."""

    @property
    def charged(self) -> float:
        """What the next candidate is charged for: `alpha_spending.count`."""


S = TypeVar("S", bound=Sized)


def known_sources(examination: Examination) -> list[Source]:
    """Return the exams and pools of tasks that were promoted before."""
    sources: list[Source] = [*examination.exams, *examination.pools]
    return [each for each in sources if each.known]


def deciding(examination: Examination, whole: Rules) -> Collection[str]:
    """Return the names of the exams that must be passed: one a task. `whole`: with all of alpha.

    A task whose exams are all too small to pass at all decides only on batches of its own: it
    holds nobody else up. That is told at the level of a first look: an exam that holds a batch
    can't become too small by being asked again.
    """
    sources = known_sources(examination)
    if whole.edition < 4:
        return {each.exam for each in sources}
    return {each.exam for each in choose(sources, least_items(whole.at_look(0))).values()}


def least_items(rules: Rules) -> int:
    """Return how many items it takes to pass at all, at the rules' alpha: that of one look."""
    return smallest_passing(rules.margin_points / 100, rules.alpha)


def choose(sources: Iterable[S], least: int) -> dict[str, S]:
    """Return the exam or pool that decides, by task; none where it holds nobody up.

    `least`: as `least_items` returns it.
    """
    by_task: dict[str, list[S]] = {}
    for each in sources:
        by_task.setdefault(task_of(each.exam), []).append(each)
    return {task: found for task, own in by_task.items() if (found := _decides(own, least))}


def _decides(sources: Sequence[S], least: int) -> S | None:
    able = [each for each in sources if each.size >= least]
    if not able:
        return max(sources, key=_preference) if any(each.in_batch for each in sources) else None
    return max(able, key=lambda each: (origin(each.exam) != "batches", *_preference(each)))


def _preference(each: Sized) -> tuple[bool, int, bool, int, str]:
    """Order by: not overused, many items, labelled, young; the name breaks ties."""
    fresh = each.charged < OVERUSED_AFTER
    labelled = origin(each.exam) != "pool"
    return fresh, each.size, labelled, generation(each.exam), each.exam
