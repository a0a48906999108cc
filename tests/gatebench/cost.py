"""What a decision costs, from stored answers to every item.

All answers are at hand, as after scoring; counted are pairing, tests, verdicts and wording of
`judge`, in CPU seconds, median of 5 rounds.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import numpy as np

from components.gate import Answers, Examination, ExamResult, Rules, judge
from components.gate.paired import upper_bound
from tests.page import Check, Section, opening

TASKS, ITEMS, ROUNDS, CHURN = (1, 10, 20, 100, 1000), 500, 5, 0.06
LIMIT_TASKS, LIMIT_SECONDS = 20, 0.2


def examination(tasks: int, seed: int) -> Examination:
    """Return an examination of `tasks` known tasks."""
    random = np.random.default_rng(seed)
    exams = []
    for task in range(tasks):
        items = [f"{task}:{place}" for place in range(ITEMS)]
        before = random.random(ITEMS) < 0.8
        after, anchor = (before ^ (random.random(ITEMS) < CHURN) for _ in range(2))
        told = (Answers(items, each.tolist()) for each in (before, after, anchor))
        exams.append(ExamResult(str(task), str(task), *told, known=True))
    return Examination(exams, [])


def seconds(tasks: int) -> float:
    """Return the CPU seconds of one decision, nothing kept from the one before."""
    taken = []
    for round_ in range(ROUNDS):
        given = examination(tasks, round_)
        upper_bound.cache_clear()
        began = time.process_time()
        judge(given, Rules(3.0, 6.0))
        taken.append(time.process_time() - began)
    return median(taken)


def measure(folder: Path, plots: Path) -> Section:
    """Time decisions."""
    found = {tasks: seconds(tasks) for tasks in TASKS}
    rows = ["| tasks | CPU s |", "|---|---|"]
    rows += [f"| {tasks:,} | {taken:.3f} |" for tasks, taken in found.items()]
    what = f"a decision over {LIMIT_TASKS} tasks of {ITEMS} items"
    checks = [Check(what, found[LIMIT_TASKS], "at most", LIMIT_SECONDS, " s")]
    text = "\n\n".join([opening(__doc__), "\n".join(rows)])
    return Section("The cost of a decision", checks, text)
