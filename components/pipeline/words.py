"""What people said of a held version: what of it counts now, and what MLflow shows of it.

Concept: a word counts for the evidence that it was about. One rejection rejects; as many people as
`gate.approvals` approve.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.ledger import views
from components.pipeline.held import beyond_a_person, decision_on
from components.registry.server_rules import APPROVER
from components.workspace.root import Workspace

PENDING = "pending"


def counting(ws: Workspace, version: views.Version) -> list[views.Word]:
    """Return the words that count of a version as it is now, oldest first, one a person."""
    found = {
        word.speaker: word
        for word in views.words(ws.ledger, version.version)
        if not word.refused and word.evidence == version.evidence
    }
    return list(found.values())


def shown(ws: Workspace, version: views.Version) -> str | None:
    """Return what MLflow's tag `approval` is to say of a version; None: nobody is asked there."""
    said = views.words(ws.ledger, version.version)
    if version.status != "held":
        counted = [f"{word.word} by {word.speaker}" for word in said if not word.refused]
        if not counted:
            return None
        return f"{version.status}: {', '.join(counted)}{_not_counted(said)}"[:500]
    decision = decision_on(ws, version)
    if decision is None or not _asked(ws):
        return None
    if grave := beyond_a_person(decision):
        return f"not asked: {grave}"[:500]
    approved, wanted = len(counting(ws, version)), ws.settings.gate.approvals
    text = f"{PENDING}: {approved} of {wanted} approved" if wanted > 1 else PENDING
    return f"{text}{_not_counted(said)}"[:500]


def _not_counted(said: Sequence[views.Word]) -> str:
    """Say why the last word did not count, if it did not."""
    if not said or not said[-1].refused:
        return ""
    return f" (not counted: {said[-1].word} by {said[-1].speaker}: {said[-1].refused})"


def _asked(ws: Workspace) -> bool:
    return any(APPROVER in roles for roles in views.people(ws.ledger).values())
