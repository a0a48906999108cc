"""What promoting a candidate would do: worked out at its examination, and recorded with it.

Concept: whoever promotes, at once or a day later, does what was proposed then and computes
nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.exam_names import newest_exam
from components.gate.answer_pairs import shown_better
from components.gate.verdicts import ExamResult
from components.pipeline.preparation import Prepared

Anchors = Mapping[str, int | None]
"""Task -> the version that it is held against; None: the candidate, which has no number yet."""


def anchors_after(prepared: Prepared, results: Sequence[ExamResult], alpha: float) -> Anchors:
    """Return the anchors once the candidate is champion.

    A new task is anchored at the version that learned it. An anchor moves only to a version
    shown better than it on every exam of the task, so the noise of a maximum never counts.
    """
    before = prepared.parent.anchors if prepared.parent else {}
    return {
        task: before[task] if task in before and not _better(task, results, alpha) else None
        for task in sorted(prepared.tasks | before.keys())
    }


def _better(task: str, results: Sequence[ExamResult], alpha: float) -> bool:
    sat = [exam for exam in results if exam.task == task and exam.anchor is not None]
    return bool(sat) and all(
        exam.anchor is not None
        and exam.candidate is not None
        and shown_better(exam.anchor, exam.candidate, alpha)
        for exam in sat
    )


def exams_to_join(prepared: Prepared) -> dict[str, str]:
    """Return, by task, the exam that its fresh items join: its newest generation."""
    return {
        task: newest_exam(task, (exam.name for exam in prepared.exams if exam.task == task))
        for task in sorted(prepared.tasks)
    }
