"""Labels that the champion learned and an exam has no item of: what it loses of them shows nowhere.

Promise: read only, from the champion's memory, which keeps rows of every label, and exam items.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.ledger import views
from components.pipeline.champion_memory import champion_memory
from components.pipeline.exams import open_exams
from components.workspace.root import Workspace


def labels_lacking(ws: Workspace, exams: Sequence[views.HeldExam]) -> dict[str, list[str]]:
    """Return exam -> labels that the champion learned for its task and that it has no item of."""
    learned: dict[str, set[str]] = {}
    for ref in champion_memory(ws):
        learned.setdefault(ref.task, set()).add(ref.label)
    return {
        exam.name: sorted(learned.get(exam.task, set()) - {item.label for item in exam.items})
        for exam in open_exams(ws, exams)
    }
