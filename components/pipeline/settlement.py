"""Register a examined candidate and act on the decision.

Concept: registration is begun and done in the ledger, keyed by (bundle, evidence), so a
retry finds its version again. The decision is one ledger event; MLflow's aliases and tags
mirror it afterwards and are read back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from components.ledger import views
from components.ledger.events import (
    RegistrationBegun,
    RegistrationDone,
    VersionHeld,
    VersionRejected,
    from_said,
)
from components.ledger.ledger import Lease
from components.pipeline.examination import Examined
from components.pipeline.preparation import (
    Prepared,
    Settled,
    Validated,
    is_decided,
    settled,
)
from components.pipeline.promotion import barred_twin, promote, supersede
from components.pipeline.publication import mirror_around, submission, submission_of_change
from components.pipeline.readiness import require_copy
from components.registry.submission import Registered, Submission
from components.workspace.batch_files import append_entry, set_batch_aside
from components.workspace.root import Workspace

Action = Literal["promoted", "held", "rejected", "superseded"]

BARRED = (
    "Rejected: the batch trains to the same bundle that was rolled back; a version that was "
    "rolled back is barred permanently."
)


def register(
    ws: Workspace, lease: Lease, validated: Validated, prepared: Prepared, examined: Examined
) -> views.Version:
    """Register the candidate in MLflow, once, and record its version.

    Raises:
        Corrupted: it was registered before, and its copy in MLflow cannot be put right.
    """
    for version in views.versions(ws.ledger, batch=prepared.batch):
        same = version.bundle == examined.bundle.digest and version.evidence == examined.evidence
        if same:
            require_copy(ws, lease, version)  # it may have been registered days ago
            return version
        if version.status in ("candidate", "held"):
            supersede(ws, lease, version, "its batch was examined again", requeue=False)
    key = f"{examined.bundle.digest}:{examined.evidence}"
    return _submit(ws, lease, submission(ws, key, validated, prepared, examined), examined)


def register_change(
    ws: Workspace, lease: Lease, prepared: Prepared, examined: Examined
) -> views.Version:
    """Register a candidate that came from no batch, once, and record its version."""
    for version in views.versions(ws.ledger, bundle=examined.bundle.digest):
        if version.evidence == examined.evidence:
            require_copy(ws, lease, version)
            return version
    key = f"{examined.bundle.digest}:{examined.evidence}"
    return _submit(ws, lease, submission_of_change(ws, key, prepared, examined), examined)


def _submit(
    ws: Workspace, lease: Lease, submitted: Submission, examined: Examined
) -> views.Version:
    """Hand a submission to MLflow: intent, effect, outcome."""
    shown = {**submitted.document(), "experiment": ws.settings.registry.experiment}
    intent = RegistrationBegun(
        key=submitted.key,
        batch=submitted.batch,
        bundle=submitted.bundle_digest,
        parent=submitted.parent_version,
        evidence=examined.evidence,
        headline=submitted.headline,
        submission=ws.write_document(shown),
    )
    ws.ledger.append(intent, lease)
    registered = ws.registry.register(submitted, ws.write_document)
    return record_registration(ws, lease, intent, registered)


def settle_change(ws: Workspace, lease: Lease, version: views.Version, why: str) -> Action:
    """Promote, hold or reject a version that came from no batch; MLflow follows.

    `why`: the change was asked for, for people.
    """
    examined = views.examined(ws.ledger, version)
    assert examined is not None  # it was registered as it was examined
    if version.status != "candidate":
        mirror_around(ws, lease, version)
        status = {"champion": "promoted", "former": "promoted"}.get(version.status, version.status)
        return cast(Action, status)
    headline = f"{why} {examined.payload.headline}"
    if barred_twin(ws, version) is None and examined.payload.action == "promote":
        return promote(ws, lease, version.version, headline, settling=True)
    if examined.payload.action == "hold":
        return _hold(ws, lease, version, headline)
    said = VersionRejected(version=version.version, batch=None, reason=headline, rows=0)
    ws.ledger.append(said, lease)
    mirror_around(ws, lease, version)
    return "rejected"


def record_registration(
    ws: Workspace, lease: Lease, intent: RegistrationBegun, registered: Registered
) -> views.Version:
    """Write the outcome of a registration and return the version."""
    marks = {name.removeprefix("ratchet."): digest for name, digest in registered.marks.items()}
    where = {"version": registered.version, "run": registered.run_id}
    done = from_said(RegistrationDone, {**intent.said(), **marks, **where})
    ws.ledger.append(done, lease)
    found = views.version(ws.ledger, registered.version)
    assert found is not None  # the event above made it
    return found


def settle(
    ws: Workspace, lease: Lease, version: views.Version, notes: tuple[str, ...] = ()
) -> Settled:
    """Promote, hold or reject a version as its examination proposed; MLflow follows.

    `notes`: information for people. Done once: where that was recorded already, and only what
    follows from it failed, MLflow follows now.
    """
    examined, batch = views.examined(ws.ledger, version), version.batch
    assert examined is not None and batch is not None  # the line registers what it examined
    if is_decided(ws, batch):
        mirror_around(ws, lease, version)
        return _noted(settled(ws, batch), version, notes)
    action: Action
    if barred_twin(ws, version) is not None:
        action = reject(ws, lease, version, batch, BARRED)
    elif examined.payload.action in ("promote", "probation"):
        action = promote(ws, lease, version.version, settling=True)
    elif examined.payload.action == "hold":
        action = _hold(ws, lease, version, examined.payload.headline)
    else:
        action = reject(ws, lease, version, batch, examined.payload.headline)
    notes += _on_probation(ws, version)
    return _noted(replace(settled(ws, batch), action=action), version, notes)


def _noted(done: Settled, version: views.Version, notes: tuple[str, ...]) -> Settled:
    return replace(done, version=version.version, notes=done.notes + notes)


def _on_probation(ws: Workspace, version: views.Version) -> tuple[str, ...]:
    """Say in a line what follows from a probation that has just begun."""
    on = views.probation(ws.ledger)
    if on is None or on.version != version.version:
        return ()
    return (
        f"Version {on.version} is on probation until {on.ends[:10]}, or {on.labels} labels that "
        "did not admit it; later batches wait until then.",
    )


def _hold(ws: Workspace, lease: Lease, version: views.Version, reason: str) -> Literal["held"]:
    """Let a version wait for a person; the queue goes on."""
    held = VersionHeld(version=version.version, batch=version.batch, reason=reason)
    ws.ledger.append(held, lease)
    mirror_around(ws, lease, version)
    return "held"


def reject(
    ws: Workspace, lease: Lease, version: views.Version, batch: str, reason: str
) -> Literal["rejected"]:
    """Refuse a version; its batch goes to quarantine, from where it can be released."""
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # the inbox is where the batch came from
    set_batch_aside(ws, arrival, reason)
    rows = len(views.split_side(ws.ledger, batch))
    rejected = VersionRejected(version=version.version, batch=batch, reason=reason, rows=rows)
    append_entry(ws, lease, rejected, batch)
    mirror_around(ws, lease, version)
    return "rejected"
