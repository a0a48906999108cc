"""A person's word on a held version: approve it, or reject it.

Concept: whoever asks (a command, a page, a queue) ends in `approve` or `reject`. The word is
recorded before anything follows from it, also where it does not count, with who said it and why.

Promise: law 6, a person may veto, never waive: what a blocking check found to FAIL or to be MISSING
can't be approved, whether its examination found it or labels that came since. An approval is of the
evidence that was seen, and of a version whose parent is still champion; it counts once.
"""

from __future__ import annotations

from typing import Literal

from components.errors import ConfigError
from components.ledger import views
from components.ledger.events import ApprovalGiven
from components.ledger.ledger import Lease
from components.pipeline import settlement
from components.pipeline.decision_now import decide_now
from components.pipeline.held import beyond_a_person
from components.pipeline.promotion import promote
from components.workspace.root import Workspace


def approve(
    ws: Workspace, lease: Lease, number: int, reason: str, seen: str | None = None
) -> Literal["promoted", "superseded"]:
    """Promote a held version on a person's word, outside of what the gate promises.

    `seen`: the beginning of the digest of the evidence that the word is about. Where another
    version became champion meanwhile, the batch is queued again instead, to be trained from it.

    Raises:
        ConfigError: there is no such version, it does not wait, it may not be approved, or its
            evidence is another.
        Corrupted: its evidence or bundle does not verify; nothing was promoted.
    """
    version = _waiting(ws, number)
    _record(ws, lease, version, "approve", reason, _refusal(ws, version, seen))
    return promote(ws, lease, number, f"approved: {reason}")


def reject(
    ws: Workspace, lease: Lease, number: int, reason: str, seen: str | None = None
) -> Literal["rejected"]:
    """Reject a held version on a person's word; its batch goes to quarantine.

    Raises:
        ConfigError: there is no such version, it does not wait, or its evidence is another.
    """
    version = _waiting(ws, number)
    _record(ws, lease, version, "reject", reason, _other_evidence(version, seen))
    assert version.batch is not None  # only batches are held
    return settlement.reject(ws, lease, version, version.batch, f"Rejected by a person: {reason}")


def _waiting(ws: Workspace, number: int) -> views.Version:
    version = views.version(ws.ledger, number)
    if version is None:
        raise ConfigError(f"There is no version {number}.", "`ratchet version list` shows all.")
    if version.status != "held":
        raise ConfigError(
            f"Version {number} is {version.status}: nobody is asked about it.",
            "`ratchet status` shows what is held.",
        )
    return version


def _record(
    ws: Workspace,
    lease: Lease,
    version: views.Version,
    said: Literal["approve", "reject"],
    reason: str,
    refused: str,
) -> None:
    """Record a word; raise where it does not count."""
    word = ApprovalGiven(
        version=version.version,
        batch=version.batch,
        evidence=version.evidence,
        word=said,
        reason=reason,
        refused=refused or None,
    )
    ws.ledger.append(word, lease)
    if refused:
        raise ConfigError(
            f"You can't {said} version {version.version}: {refused}",
            f"See `ratchet version explain {version.version}`.",
        )


def _refusal(ws: Workspace, version: views.Version, seen: str | None) -> str:
    """Say why an approval does not count; nothing where it does."""
    if other := _other_evidence(version, seen):
        return other
    now = decide_now(ws, ws.read_document(version.evidence)).decision
    if beyond := beyond_a_person(now.to_json()):
        return f"what failed or is missing can't be approved: {beyond}"
    if (on := views.probation(ws.ledger)) is not None:
        return f"version {on.version} is on probation, and no version can follow it yet."
    return ""


def _other_evidence(version: views.Version, seen: str | None) -> str:
    if seen is None or version.evidence.startswith(seen):
        return ""
    return f"its evidence is {version.evidence[:12]} now, not {seen[:12]}."
