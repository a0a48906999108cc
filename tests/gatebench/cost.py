"""What a decision costs, from stored answers to every item.

All answers are at hand, as after scoring; counted are pairing, tests, verdicts and wording of
`judge`, in CPU seconds, median of 5 rounds. *All changed*: every task has to be compared.
*One changed*: the candidate shares with champion and anchor all that decides its answers to the
other tasks, as with adapters of their own; these pass by certificate, without their answers.
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


MODELS = ("champion", "candidate", "anchor")


def examination(tasks: int, changed: int, seed: int) -> Examination:
    """Return an examination of known tasks, the first ones changed."""
    random = np.random.default_rng(seed)
    exams = [
        ExamResult(
            str(task), str(task), None, None, None, True, parts=dict.fromkeys(MODELS, "ab" * 32)
        )
        for task in range(changed, tasks)
    ]
    for task in range(changed):
        items = [f"{task}:{place}" for place in range(ITEMS)]
        before = random.random(ITEMS) < 0.8
        after, anchor = (before ^ (random.random(ITEMS) < CHURN) for _ in range(2))
        told = (Answers(items, each.tolist()) for each in (before, after, anchor))
        exams.append(ExamResult(str(task), str(task), *told, known=True))
    return Examination(exams, [])


def seconds(tasks: int, changed: int) -> float:
    """Return the CPU seconds of one decision, nothing kept from the one before."""
    taken = []
    for round_ in range(ROUNDS):
        given = examination(tasks, changed, round_)
        upper_bound.cache_clear()
        began = time.process_time()
        judge(given, Rules(3.0, 6.0))
        taken.append(time.process_time() - began)
    return median(taken)


def measure(folder: Path, plots: Path) -> Section:
    """Time decisions."""
    found = {tasks: (seconds(tasks, tasks), seconds(tasks, 1)) for tasks in TASKS}
    rows = ["| tasks | all changed, CPU s | one changed, CPU s |", "|---|---|---|"]
    rows += [f"| {tasks:,} | {whole:.4f} | {one:.4f} |" for tasks, (whole, one) in found.items()]
    what = f"a decision over {LIMIT_TASKS} tasks of {ITEMS} items"
    checks = [
        Check(what, found[LIMIT_TASKS][0], "at most", LIMIT_SECONDS, " s"),
        Check("1,000 tasks, one changed", found[1000][1], "at most", LIMIT_SECONDS, " s"),
    ]
    text = "\n\n".join([opening(__doc__), "\n".join(rows)])
    return Section("The cost of a decision", checks, text)
