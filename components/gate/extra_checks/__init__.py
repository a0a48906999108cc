"""The extra checks: one function per check, all with the same signature, in one table.

Concept: a check takes the examination, its own rule (`policies`) and the gate's, and yields what it
finds: verdicts, or questions that are answered together with all others (`questions`).

Promise: a check with policy `ignore` does not run; one that is not possible gives MISSING. If
candidate and champion answer an exam with the same parts there is nothing to compare: the
certificate against the champion says so once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.gate.extra_checks.behaviour import check_behaviour
from components.gate.extra_checks.calibration import check_calibration
from components.gate.extra_checks.flips import check_flips
from components.gate.extra_checks.floors import check_floors
from components.gate.extra_checks.groups import check_classes, check_slices
from components.gate.extra_checks.latency import check_latency
from components.gate.extra_checks.size import check_size
from components.gate.questions import Finding
from components.gate.verdicts import Examination, Rules

EXTRA_CHECKS: Mapping[str, Callable[[Examination, Any, Rules], Iterator[Finding]]] = {
    "floors": check_floors,
    "classes": check_classes,
    "slices": check_slices,
    "negative_flips": check_flips,
    "calibration": check_calibration,
    "behaviour": check_behaviour,
    "size": check_size,
    "latency": check_latency,
}
"""Name, as in `policies.CheckRules` and under `gate.checks` -> the check."""


def run_extra_checks(examination: Examination, rules: Rules) -> Iterator[Finding]:
    """Yield what every check finds that the rules ask for, in the order of the table."""
    for name, check in EXTRA_CHECKS.items():
        rule = getattr(rules.checks, name)
        if rule.policy != "ignore":
            yield from check(examination, rule, rules)
