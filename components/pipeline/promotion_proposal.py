"""What promoting a candidate would do: worked out at its examination, and recorded with it.

Concept: whoever promotes, at once or a day later, does what was proposed then and computes
nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.exam_names import batch_exam
from components.gate.answer_pairs import shown_better
from components.gate.pools import pool_shows_better
from components.gate.sources import Source, deciding, known_sources
from components.gate.verdicts import Examination, PoolResult, Rules
from components.pipeline.preparation import Prepared

Anchors = Mapping[str, int | None]
"""Task -> the version that it is held against; None: the candidate, which has no number yet."""


def anchors_after(prepared: Prepared, examination: Examination, rules: Rules) -> Anchors:
    """Return the anchors once the candidate is champion.

    A new task is anchored at the version that learned it. An anchor moves only to a version
    shown better than it on the exam or pool that decides on the task, so the noise of a maximum
    never counts; rows that joined after the anchor say nothing here, as in the anchor's own check.
    """
    alpha = rules.move_alpha
    decides = deciding(examination, rules)
    sat = [each for each in known_sources(examination) if each.exam in decides]
    better = {each.task for each in sat if _better(each, alpha)}
    before = prepared.parent.anchors if prepared.parent else {}
    return {
        task: before[task] if task in before and task not in better else None
        for task in sorted(prepared.tasks | before.keys())
    }


def _better(source: Source, alpha: float) -> bool:
    if isinstance(source, PoolResult):
        return pool_shows_better(source, alpha)
    if source.anchor is None or source.candidate is None:
        return False
    return shown_better(source.anchor, source.candidate, alpha, source.older)


def exams_to_join(prepared: Prepared) -> dict[str, str]:
    """Return, by task, the exam that its fresh items join."""
    return {task: batch_exam(task) for task in sorted(prepared.tasks)}
