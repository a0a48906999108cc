"""Promote a version: append its recorded proposal, now or later.

Concept: the event that closes an examination says all that a promotion does. `promote` reads
that event and nothing that a process still has in memory; the pipeline calls it at once, an
approval may call it days later.

Promise: fast-forward only (law 2): if the champion is no longer the version's parent, the version
is superseded instead. A version that was rejected, rolled back or released for another
examination is never promoted.
"""

from __future__ import annotations

from typing import Literal

from components.errors import ConfigError
from components.ledger import views
from components.ledger.events import CandidateExamined, VersionPromoted, VersionSuperseded
from components.ledger.ledger import Lease
from components.ledger.projections import FINAL, Superseded
from components.pipeline.publication import mirror_around
from components.workspace.root import Workspace


def promote(
    ws: Workspace, lease: Lease, number: int, reason: str | None = None
) -> Literal["promoted", "superseded"]:
    """Make a version champion as its examination proposed, and let MLflow follow.

    `reason`: why, in a line; None for the examination's headline. A superseded version's batch
    is queued again.

    Raises:
        ConfigError: there is no such version, or it may not be promoted.
        Corrupted: its bundle does not verify; nothing was promoted.
    """
    from components.model.bundle import open_bundle

    version = views.version(ws.ledger, number)
    if version is None:
        raise ConfigError(f"There is no version {number}.", "`ratchet version list` shows all.")
    proposal = _require_promotable(ws, version)
    assert proposal.anchors is not None and proposal.joins is not None
    open_bundle(ws.bundles, version.bundle)
    promoted = VersionPromoted(
        version=number,
        batch=version.batch,
        parent=proposal.parent,
        anchors={task: at or number for task, at in proposal.anchors.items()},
        exams=proposal.joins,
        reason=reason or proposal.headline,
    )
    action: Literal["promoted", "superseded"] = "promoted"
    try:
        ws.ledger.append(promoted, lease)
    except Superseded as error:
        action = "superseded"
        supersede(ws, lease, version, str(error), requeue=version.batch is not None)
    mirror_around(ws, lease, version)
    return action


def supersede(
    ws: Workspace, lease: Lease, version: views.Version, reason: str, requeue: bool
) -> None:
    """Void a version's examination; with `requeue` its batch waits again."""
    said = VersionSuperseded(
        version=version.version, batch=version.batch, reason=reason, requeue=requeue
    )
    ws.ledger.append(said, lease)


def barred_twin(ws: Workspace, version: views.Version) -> views.Version | None:
    """Return a version that has the same bundle and was rolled past, if there is one."""
    return next(iter(views.versions(ws.ledger, bundle=version.bundle, status="barred")), None)


def _require_promotable(ws: Workspace, version: views.Version) -> CandidateExamined:
    """Return what a version's examination proposed.

    Raises:
        ConfigError: it may not be promoted; says why, and what can be done.
    """
    here, examined = f"Version {version.version}", views.examined(ws.ledger, version)
    if version.status in FINAL:
        raise ConfigError(
            f"{here} is {version.status}; it can't be promoted again.",
            "Roll back to return to a former champion; a barred version stays barred.",
        )
    if (twin := barred_twin(ws, version)) is not None:
        raise ConfigError(
            f"{here} has the same bundle as version {twin.version}, which is barred permanently.",
            "Send a better batch.",
        )
    if examined is None or examined.payload.anchors is None:
        raise ConfigError(
            f"{here} was examined by an older Ratchet that did not record what a promotion needs.",
            "Examine it again: `ratchet quarantine release "
            f"{(version.batch or '')[:12]}`, then `ratchet intake`.",
        )
    if version.status == "rejected" or examined.payload.action == "reject":
        raise ConfigError(
            f"{here} was rejected: {version.headline}",
            f"A rejection can't be overruled; see `ratchet version explain {version.version}`.",
        )
    if version.status == "superseded" and any(
        void.payload.version == version.version and void.seq > examined.seq
        for void in views.told(ws.ledger, VersionSuperseded)
    ):
        raise ConfigError(
            f"{here} is superseded: its examination no longer applies.",
            "It can be promoted after it is examined again.",
        )
    return examined.payload
