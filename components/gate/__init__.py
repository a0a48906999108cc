"""The gate: whether a candidate may be promoted, and whether the champion may stay.

Concept: pure functions from answers to verdicts to one decision; no files, no clock, no
other room.

Use: `judge(Examination(...), Rules(...))` decides on a candidate, `regressions(...)` watches
the champion, `shown_better(...)` moves an anchor.

Promise: missing evidence never promotes, and every verdict carries the numbers it rests on.
"""

from components.gate.answer_pairs import shown_better
from components.gate.decision import judge
from components.gate.regression_watch import Regression, regressions
from components.gate.verdicts import (
    Answers,
    Decision,
    DriftNote,
    Examination,
    ExamResult,
    NewTask,
    Outcome,
    Rules,
    Verdict,
)

__all__ = [
    "Answers",
    "Decision",
    "DriftNote",
    "ExamResult",
    "Examination",
    "NewTask",
    "Outcome",
    "Regression",
    "Rules",
    "Verdict",
    "judge",
    "regressions",
    "shown_better",
]
