"""The same batch looked at again: refills, and labels in portions.

A candidate loses exactly the margin, 3 points, or nothing. It is held, its exam is filled up, and
it is examined again, until it is promoted, rejected or the refills end; the items stay, so every
look sees the earlier ones again. *Before*, the rule up to November 2026, gives each look all of
alpha; *now* the looks of a lineage share it: 0.8, 0.1, 0.05 and so on. *Only loses*: with
the loss, no answer became right. *Portions*: 1,000 inputs whose labels come five at a time, and a
decision after each portion: *before* labels every input and tests what it has from 100 on; *now*
the disagreements alone are asked about, and it decides when no completion could change the
verdict: one look.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.gate.alpha_spending import look_share
from tests.gatebench.gates import GATE, LEAST_ITEMS, MARGIN, NAMES, Name, above_p, within_p
from tests.gatebench.pooled import FAIL, PASS, Comparison, certain
from tests.page import Check, Section, opening

STREAMS = 40_000
POOL, PORTION, PORTION_STREAMS = 1000, 5, 4000
FIRST_TEST = 100
CHURNS = (0.03, 0.05, 0.08)


@dataclass(frozen=True, slots=True)
class Plan:
    """How large an exam is at first, and what is added how often."""

    start: int
    added: int
    times: int

    def __str__(self) -> str:
        again = f" {self.times} times" if self.times > 1 else ""
        return f"{self.start} items, then {self.added}{again}"


IN_PORTIONS = Plan(FIRST_TEST, PORTION, (POOL - FIRST_TEST) // PORTION)
PLANS = (Plan(200, 100, 1), Plan(200, 100, 4), Plan(150, 50, 20), Plan(400, 200, 5))


def refilled(
    plan: Plan, rule: Name, churn: float, loss: float, streams: int
) -> tuple[float, float]:
    """Return the shares promoted and rejected at any look."""
    random = np.random.default_rng(plan.start)
    chances = [(churn + loss) / 2, (churn - loss) / 2, 1 - churn]
    counts, items = np.zeros((streams, 2), int), 0
    promoted, rejected = np.zeros((2, streams), bool)
    for look in range(plan.times + 1):
        new = plan.added if look else plan.start
        counts = counts + random.multinomial(new, chances, streams)[:, :2]
        items += new
        worse_better = counts[:, 0], counts[:, 1]
        level = GATE.alpha * (look_share(look) if rule == "now" else 1.0)
        within = within_p(worse_better, items, MARGIN)
        if rule == "now":
            failed = above_p(worse_better, items, MARGIN) <= level
        else:
            failed = (above_p(worse_better, items, 0.0) <= level) & (within > level)
        undecided = ~promoted & ~rejected
        rejected |= undecided & failed
        promoted |= undecided & ~failed & (within <= level) & (items >= LEAST_ITEMS)
    return float(promoted.mean()), float(rejected.mean())


def in_portions(churn: float, loss: float, streams: int) -> tuple[float, float]:
    """Return the shares promoted and rejected after any portion of a pool's labels."""
    random = np.random.default_rng(POOL)
    counts = random.multinomial(POOL, [(churn + loss) / 2, (churn - loss) / 2, 1 - churn], streams)
    changed = counts[:, :2].sum(1)
    order = random.random((streams, int(changed.max())))
    order[np.arange(order.shape[1]) >= changed[:, None]] = 2.0
    is_worse = np.argsort(order, 1) < counts[:, :1]
    there = np.arange(order.shape[1]) < changed[:, None]
    level = GATE.alpha * look_share(0)
    test = Comparison(MARGIN, level, level)
    promoted, rejected = np.zeros((2, streams), bool)
    for told in range(0, order.shape[1] + PORTION, PORTION):
        worse = (is_worse & there)[:, :told].sum(1)
        better = (~is_worse & there)[:, :told].sum(1)
        found = certain(worse, better, changed - worse - better, POOL, test)
        undecided = ~promoted & ~rejected
        rejected |= undecided & (found == FAIL)
        promoted |= undecided & (found == PASS)
    return float(promoted.mean()), float(rejected.mean())


def measure(folder: Path, plots: Path) -> Section:
    """Look again and again."""
    rows = [
        "| how | churn | before: the margin promoted | harmless promoted / rejected"
        " | now: the margin promoted | harmless promoted / rejected |",
        "|---|---|---|---|---|---|",
    ]
    worst = {rule: 0.0 for rule in NAMES}
    refused = 0.0
    for name, run, churns in _runs():
        for churn in churns:
            cells = []
            for rule in ("before", "now"):
                let_in, _ = run(rule, churn, MARGIN)
                promoted, rejected = run(rule, churn, 0.0)
                worst[rule] = max(worst[rule], let_in)
                refused = max(refused, rejected if rule == "now" else 0.0)
                cells += [f"{100 * let_in:.1f} %", f"{100 * promoted:.1f} / {100 * rejected:.1f} %"]
            shown = f"{100 * churn:g} %" + (", only loses" if churn == MARGIN else "")
            rows.append(f"| {name} | {shown} | {' | '.join(cells)} |")
    checks = [
        Check(
            "a loss of the margin promoted at any look", 100 * worst["now"], "at most", 5.0, " %"
        ),
        Check("harmless updates rejected at any look", 100 * refused, "at most", 5.0, " %"),
    ]
    text = "\n\n".join([opening(__doc__), "\n".join(rows)])
    return Section("The same batch again", checks, text, raw={"before": 100 * worst["before"]})


def _runs() -> list[Any]:
    """Return (name, (rule, churn, loss) -> (promoted, rejected), churns)."""

    def refills(plan: Plan) -> Any:
        return lambda rule, churn, loss: refilled(plan, rule, churn, loss, STREAMS)

    def portions(rule: Name, churn: float, loss: float) -> tuple[float, float]:
        if rule == "before":
            return refilled(IN_PORTIONS, rule, churn, loss, PORTION_STREAMS)
        return in_portions(churn, loss, PORTION_STREAMS)

    runs: list[Any] = [(str(plan), refills(plan), CHURNS) for plan in PLANS]
    return [*runs, (f"{POOL:,} inputs in portions of {PORTION}", portions, CHURNS[1:])]
