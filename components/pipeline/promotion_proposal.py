"""What promoting a candidate would do: worked out at its examination, and recorded with it.

Concept: whoever promotes, at once or a day later, does what was proposed then and computes
nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.exam_names import batch_exam
from components.gate.answer_pairs import shown_better
from components.gate.pools import pool_shows_better
from components.gate.verdicts import Examination
from components.pipeline.preparation import Prepared

Anchors = Mapping[str, int | None]
"""Task -> the version that it is held against; None: the candidate, which has no number yet."""


def anchors_after(prepared: Prepared, examination: Examination, alpha: float) -> Anchors:
    """Return the anchors once the candidate is champion.

    A new task is anchored at the version that learned it. An anchor moves only to a version
    shown better than it on every exam and pool of the task, so the noise of a maximum never
    counts; rows that joined after the anchor say nothing here, as in the anchor's own check.
    """
    before = prepared.parent.anchors if prepared.parent else {}
    return {
        task: before[task] if task in before and not _better(task, examination, alpha) else None
        for task in sorted(prepared.tasks | before.keys())
    }


def _better(task: str, examination: Examination, alpha: float) -> bool:
    shown = [
        exam.anchor is not None
        and exam.candidate is not None
        and shown_better(exam.anchor, exam.candidate, alpha, exam.older)
        for exam in examination.exams
        if exam.task == task and (exam.older is None or exam.older)
    ]
    shown += [pool_shows_better(pool, alpha) for pool in examination.pools if pool.task == task]
    return bool(shown) and all(shown)


def exams_to_join(prepared: Prepared) -> dict[str, str]:
    """Return, by task, the exam that its fresh items join."""
    return {task: batch_exam(task) for task in sorted(prepared.tasks)}
