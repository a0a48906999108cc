"""What a decision costs, from stored answers to every item.

All answers are available, as after scoring; measured are pairing, tests, verdicts and wording of
`judge`, in CPU seconds, median of 5 rounds, with the default settings: labels one by one,
negative flips and calibration are checked as well. *Accuracy alone*: without these. *All changed*:
every task has to be compared. *One changed*: the candidate shares with champion and anchor all
that decides its answers to the other tasks, as with separate adapters; these pass by
certificate, without their answers.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import numpy as np

from components.gate import Answers, Examination, ExamResult, Rules, judge
from components.gate.paired_statistics import upper_bound
from components.gate.policies import CheckRules
from components.settings import GateSettings
from tests.page import Check, Section, opening

TASKS, ITEMS, ROUNDS, CHURN, LABELS = (1, 10, 20, 100, 1000), 500, 5, 0.06, 10
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
        sure = random.random(ITEMS)
        told = [
            Answers(items, right.tolist(), np.where(right, sure / 2, 0.5 + sure / 2), sure)
            for right in (before, *(before ^ (random.random(ITEMS) < CHURN) for _ in range(2)))
        ]
        labels = dict(zip(items, random.integers(LABELS, size=ITEMS).astype(str), strict=True))
        exams.append(ExamResult(str(task), str(task), *told, known=True, labels=labels))
    return Examination(exams, [])


def rules() -> Rules:
    """Return the gate's default rules, checks beyond forgetting included."""
    gate = GateSettings()
    checks = CheckRules.from_json(gate.checks.model_dump(exclude={"behaviour": {"file"}}))
    return Rules(gate.margin_points, gate.anchor_margin_points, checks=checks)


def seconds(tasks: int, changed: int, asked: Rules) -> float:
    """Return the CPU seconds of one decision, nothing kept from the one before."""
    taken = []
    for round_ in range(ROUNDS):
        given = examination(tasks, changed, round_)
        upper_bound.cache_clear()
        began = time.process_time()
        judge(given, asked)
        taken.append(time.process_time() - began)
    return median(taken)


def measure(folder: Path, plots: Path) -> Section:
    """Time decisions."""
    plain, whole = Rules(3.0, 6.0), rules()
    found = {
        tasks: (
            seconds(tasks, tasks, whole),
            seconds(tasks, tasks, plain),
            seconds(tasks, 1, whole),
        )
        for tasks in TASKS
    }
    rows = [
        "| tasks | all changed, CPU s | all changed, accuracy alone | one changed |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| {tasks:,} | {' | '.join(f'{taken:.4f}' for taken in each)} |"
        for tasks, each in found.items()
    ]
    what = f"a decision over {LIMIT_TASKS} tasks of {ITEMS} items"
    checks = [
        Check(what, found[LIMIT_TASKS][0], "at most", LIMIT_SECONDS, " s"),
        Check("1,000 tasks, one changed", found[1000][2], "at most", LIMIT_SECONDS, " s"),
    ]
    text = "\n\n".join([opening(__doc__), "\n".join(rows)])
    return Section("The cost of a decision", checks, text)
