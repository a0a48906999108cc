"""What may come into force before it is decided, and what is asked to end that.

Concept: where `Rules.undecided` is `probation`, a candidate that nothing speaks against and whose
loss, as far as it was seen, is within the margin comes into force unconfirmed. Later the tasks that
were open are examined again, on answers that did not admit it, and by the same rules.

Promise: this is outside what the gate promises of a decision: a loss of the margin comes into force
whenever it was not seen. What nobody said of an input counts as lost here too, so a pool without
labels admits only what hardly differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from components.gate.policies import CheckRules
from components.gate.pool_counts import REFERENCES, tally
from components.gate.verdicts import Examination, Outcome, PoolResult, Rules, Verdict

SHOWN_AGAINST = (Outcome.FAIL, Outcome.MISSING)


def may_begin(verdicts: Sequence[Verdict], examination: Examination) -> bool:
    """Tell whether a held candidate may come into force on probation.

    No check found FAIL or MISSING, those included that are only noted; and whatever holds is a
    comparison of earlier tasks that is open, with a loss that was seen to be within its margin.
    Law: a worse answer never makes it true.
    """
    if any(verdict.outcome in SHOWN_AGAINST for verdict in verdicts):
        return False
    pools = {pool.exam: pool for pool in examination.pools}
    holding = [verdict for verdict in verdicts if verdict.consequence == "hold"]
    return all(_seen_within(verdict, pools.get(verdict.exam)) for verdict in holding)


def _seen_within(verdict: Verdict, pool: PoolResult | None) -> bool:
    """Tell whether a verdict compares versions, and the loss that it saw is within its margin."""
    if verdict.check not in REFERENCES or not verdict.n or verdict.margin_points is None:
        return False
    seen = verdict.effect_points
    if pool is not None:
        seen = 100 * tally(pool, REFERENCES[verdict.check]).most_lost.loss
    return seen is not None and seen < verdict.margin_points


def rules_to_end(rules: Rules) -> Rules:
    """Return by which rules it ends: the same, of the extra checks only that of labels."""
    checks = CheckRules(classes=rules.checks.classes)
    return replace(rules, undecided="hold", approval="auto", checks=checks)


def covers(examination: Examination, tasks: Iterable[str]) -> bool:
    """Tell whether each of these tasks was examined."""
    examined = {exam.task for exam in examination.exams}
    return {*tasks} <= examined | {pool.task for pool in examination.pools}
