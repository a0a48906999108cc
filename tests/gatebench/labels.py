"""Twenty harmless batches with nothing brought but unlabelled inputs, and the labels they cost.

Batches of 500 rows that turn 5 % of the answers from right to wrong or back and lose nothing
(latent scores, AR(1), accuracy 84 %). *Now*: a pool of 1,000 inputs a task, the same throughout;
champion and anchor are compared on it; whatever is asked is answered. *Before*: the rule up to
November 2026: the held-out fifth of promoted batches, shared out over the tasks. Exams out of
batches, which now can only reject where a pool decides, are left out. 30 % of the disagreements
are ties: one wrong answer became another. Labels are counted one by one: asking stops as soon as
no completion of the open answers could change the verdict, and what was answered is known to all
later decisions.

The last table is of first updates: median / 90 % quantile of the labels a task, and the share
decided without any. The number of tasks does not change it: every task has to pass, at the same
level; it changes how many updates pass all, below it. *Of the answers*: churn counted as all
answers that differ, ties included. By the rule before, every item of an exam had to be labelled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.gatebench.gates import Gate, above_p
from tests.gatebench.latent import Kind, Latent
from tests.gatebench.pooled import Followed, first_updates, follow
from tests.page import Check, Section, opening

BATCHES, ROWS, HELD_OUT, CHURN = 20, 500, 0.2, 0.05
TASKS, STREAMS, POOL = (1, 2, 5), 200, 1000
SINGLE_STREAMS = 40
CHURNS, POOLS, FIRST_TASKS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12), (250, 500, 625, 1000, 2000), 20
ROUNDS = 300
FRESH = 0.05


def before(tasks: int, streams: int, batches: int, seed: int = 1) -> tuple[Any, Any]:
    """Return the shares promoted and rejected, batch by batch, by the rule before.

    Each exam begins with the held-out rows of the first batch, which is promoted unseen.
    """
    new = int(ROWS * HELD_OUT) // tasks
    most = new * (batches + 1)
    world, gate = Latent(Kind(CHURN), streams, tasks, most, seed), Gate("before", streams, tasks)
    live = np.full((streams, 1), new)
    promoted, rejected = [], []
    for _ in range(batches):
        seen = np.arange(most) < live[..., None]
        right, lost = world.candidate(np.zeros((streams, tasks)))
        decided = gate.decide(
            world.changes(world.champion & seen, right & seen),
            world.changes(world.anchor & seen, right & seen),
            live,
        )
        world.promote(decided.promoted, right, lost)
        worse, better = world.changes(world.anchor & seen, world.champion & seen)
        moved = above_p((better, worse), live, 0.0) <= gate.move_level
        world.move(moved & decided.promoted[:, None])
        live += new * decided.promoted[:, None]
        promoted.append(float(decided.promoted.mean()))
        rejected.append(float(decided.rejected.mean()))
    return np.array(promoted), np.array(rejected)


def measure(folder: Path, plots: Path) -> Section:
    """Follow the batches, then ask first updates."""
    now = {tasks: follow(Kind(CHURN), tasks, POOL, STREAMS, BATCHES) for tasks in TASKS}
    earlier = {tasks: before(tasks, STREAMS, BATCHES) for tasks in TASKS}
    others = {
        f"{POOL:,}, {int(POOL * FRESH)} of them new": (1, int(POOL * FRESH), POOL),
        f"{POOL:,}, all new": (1, POOL, POOL),
        "625, all new": (1, 625, 625),
    }
    fresh = {
        name: follow(Kind(CHURN), tasks, items, SINGLE_STREAMS, BATCHES, new)
        for name, (tasks, new, items) in others.items()
    }
    first = {
        (churn, items): first_updates(churn, items, ROUNDS, seed=items)
        for churn in CHURNS
        for items in POOLS
    }
    plain = {
        (churn, items): first_updates(0.7 * churn, items, ROUNDS, seed=items)[0]
        for churn in (0.01, 0.02)
        for items in POOLS
    }
    text = "\n\n".join(
        [opening(__doc__), _streams(now, earlier), _fresh(fresh), _first(first, plain)]
    )
    return Section("Labels", _checks(now, first, plain), text)


def _checks(now: dict[int, Followed], first: Any, plain: Any) -> list[Check]:
    checks = [
        Check(
            f"20 harmless batches promoted, {_tasks(tasks)}",
            100 * float(found.promoted.mean()),
            "at least",
            90.0,
            " %",
        )
        for tasks, found in now.items()
    ]
    worst = max(float(found.rejected.mean()) for found in now.values())
    checks.append(
        Check("the same rejected, any number of tasks", 100 * worst, "at most", 5.0, " %")
    )
    reused = max(float(found.labels.mean()) for found in now.values())
    checks.append(
        Check("labels a task and batch, the same pool of 1,000, mean", reused, "at most", 25.0)
    )
    median = float(np.median(first[0.05, 625][0]))
    checks.append(
        Check(
            "labels a task, first update, churn 5 %, pool of 625, median", median, "at most", 45.0
        )
    )
    none = 100 * float((plain[0.01, 500] == 0).mean())
    checks.append(
        Check(
            "decided without a label, 1 % of the answers, pool of 500", none, "at least", 90.0, " %"
        )
    )
    return checks


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _spread(labels: Any) -> str:
    mean, (middle, high) = labels.mean(), np.quantile(labels, (0.5, 0.9))
    return f"{mean:.1f} | {middle:.0f} | {high:.0f}"


def _streams(now: dict[int, Followed], earlier: dict[int, tuple[Any, Any]]) -> str:
    rows = [
        "| tasks | promoted / held / rejected | labels a task and batch: mean | median | 90 % |"
        " of the first batch, mean | before: promoted / held / rejected |",
        "|---|---|---|---|---|---|---|",
    ]
    for tasks, found in now.items():
        actions = _actions(found.promoted.mean(), found.rejected.mean())
        before_ = _actions(*(float(each.mean()) for each in earlier[tasks]))
        first = found.labels[0].mean()
        rows.append(f"| {tasks} | {actions} | {_spread(found.labels)} | {first:.0f} | {before_} |")
    return "\n".join(rows)


def _actions(promoted: float, rejected: float) -> str:
    parts = (promoted, 1 - promoted - rejected, rejected)
    return " / ".join(f"{100 * part:.1f} %" for part in parts)


def _fresh(found: dict[str, Followed]) -> str:
    rows = [
        "New inputs at every batch, one task. The anchor grows away from the champion, so each new"
        " input is more likely to be asked about:",
        "",
        "| pool | promoted / held / rejected | labels a batch: mean | median | 90 % | last |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in found.items():
        actions = _actions(each.promoted.mean(), each.rejected.mean())
        rows.append(
            f"| {name} | {actions} | {_spread(each.labels)} | {each.labels[-1].mean():.0f} |"
        )
    return "\n".join(rows)


def _first(found: Any, plain: Any) -> str:
    rows = ["| churn | " + " | ".join(f"pool of {items:,}" for items in POOLS) + " |"]
    rows.append("|---" * (1 + len(POOLS)) + "|")
    for churn in CHURNS:
        cells = " | ".join(_cell(found[churn, items][0]) for items in POOLS)
        rows.append(f"| {100 * churn:g} % | {cells} |")
    for churn in (0.01, 0.02):
        cells = " | ".join(_cell(plain[churn, items]) for items in POOLS)
        rows.append(f"| {100 * churn:g} % of the answers | {cells} |")
    rows += ["", "Promoted with 1 / 2 / 5 / 20 tasks that change alike:", "", *rows[:2]]
    for churn in CHURNS:
        shares = [float(found[churn, items][1].mean()) for items in POOLS]
        cells = " | ".join(
            " / ".join(f"{100 * share**count:.0f}" for count in (*TASKS, FIRST_TASKS)) + " %"
            for share in shares
        )
        rows.append(f"| {100 * churn:g} % | {cells} |")
    return "\n".join(rows)


def _cell(labels: Any) -> str:
    middle, high = np.quantile(labels, (0.5, 0.9))
    return f"{middle:.0f} / {high:.0f} ({100 * (labels == 0).mean():.0f} %)"
