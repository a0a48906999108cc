"""What a held version waits for, as its evidence says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.errors import Corrupted
from components.ledger import views
from components.pipeline.came_in import corrected_since
from components.pipeline.cause import likely_causes
from components.workspace.root import Workspace

ALLOW = "drift.concept_hold_points"
"""The setting that lets labels in which contradict earlier ones: no way out where they are wrong.
"""

WAIT = "or wait: it is trained together with the next small batch of its task"


def decision_on(ws: Workspace, version: views.Version) -> Mapping[str, Any] | None:
    """Return the recorded decision; None if it is damaged, which `audit verify` tells."""
    try:
        decision: Mapping[str, Any] = ws.read_document(version.evidence)["decision"]
    except (OSError, Corrupted):
        return None
    return decision


def waits_for_labels(decision: Mapping[str, Any]) -> bool:
    """Tell whether labels of pools could settle all that holds it."""
    held = [each for each in decision["verdicts"] if each["consequence"] == "hold"]
    return bool(held) and all(map(_open, held))


def lacks_more_than_labels(decision: Mapping[str, Any]) -> bool:
    """Tell whether something holds it that no label could settle."""
    return any(not _open(each) for each in decision["verdicts"] if each["consequence"] == "hold")


def ways_to_settle(ws: Workspace, version: views.Version) -> tuple[str, ...]:
    """Return all that it takes to settle a held version, each with its cost.

    Where a cause is likely, what to do about it comes first.
    """
    decision = decision_on(ws, version)
    if decision is None or version.batch is None:
        return ()
    if since := corrected_since(ws, views.arrival(ws.ledger, version.batch)):
        close = f'`ratchet reject {version.version} --reason "it came in corrected"`'
        return (f"nothing is to be done, {since}; to close it: {close}",)
    ways = tuple(decision.get("settle", ()))
    if likely := likely_causes(ws, version):
        doubted = any(cause.doubts_labels for cause in likely)
        ways = tuple(way for way in ways if not (doubted and ALLOW in way))
        correct = f"see and correct its labels: {correction(version.batch)}"
        first = (
            correct if cause.doubts_labels else f"{cause.remedy[0].lower()}{cause.remedy[1:]}"
            for cause in likely
        )
        ways = (*dict.fromkeys(first), *ways)
    rows = len(views.split_side(ws.ledger, version.batch, "train"))
    small = rows < ws.settings.training.pool_below
    if ways and small and lacks_more_than_labels(decision):
        ways = (*ways, WAIT)
    person = (
        f"`ratchet approve {version.version} --reason WHY`, or "
        f"`ratchet reject {version.version} --reason WHY`"
    )
    word = f"a person's word, which the gate does not answer for: {person}"
    return ways if beyond_a_person(decision) else (*ways, word)


def correction(batch: str) -> str:
    """Return the commands that bring back a batch with other labels."""
    export = f"`ratchet quarantine export {batch[:12]} rows.csv --answers`"
    return f"{export}, then `ratchet run rows.csv`"


def beyond_a_person(decision: Mapping[str, Any]) -> str:
    """Return what blocks it that no person may waive (law 6), as a sentence; else nothing."""
    blocking = (each for each in decision["verdicts"] if each["consequence"] in ("hold", "reject"))
    grave = (each["sentence"] for each in blocking if each["outcome"] in ("FAIL", "MISSING"))
    return next(grave, "")


def _open(verdict: Mapping[str, Any]) -> bool:
    return bool(verdict.get("open_labels"))
