"""Registering a judged candidate, and doing what was decided.

Concept: registration is begun and done in the ledger, keyed by (bundle, evidence), so a
retry finds its version again. The decision is one ledger event; MLflow's aliases and tags
mirror it afterwards and are read back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from components.gate.pairing import shown_better
from components.ledger import views
from components.ledger.book import Lease
from components.ledger.events import (
    RegistrationBegun,
    RegistrationDone,
    VersionHeld,
    VersionPromoted,
    VersionRejected,
    VersionSuperseded,
    from_said,
)
from components.ledger.projections import Superseded
from components.pipeline import publication
from components.pipeline.examination import Examined, rules
from components.pipeline.preparation import Checked, Divided, Settled, settled
from components.registry.submission import Registered
from components.workspace.batch_files import append_entry, set_batch_aside
from components.workspace.root import Workspace

Action = Literal["promoted", "held", "rejected", "superseded"]


def register(
    ws: Workspace, lease: Lease, checked: Checked, divided: Divided, examined: Examined
) -> views.Version:
    """Register the candidate in MLflow, once, and record its version."""
    for version in views.versions(ws.ledger, batch=divided.batch):
        same = version.bundle == examined.bundle.digest and version.evidence == examined.evidence
        if same:
            return version
        if version.status == "candidate":
            _overtake(ws, lease, version)
    key = f"{examined.bundle.digest}:{examined.evidence}"
    submitted = publication.submission(ws, key, checked, divided, examined)
    shown = {**submitted.document(), "experiment": ws.settings.registry.experiment}
    intent = RegistrationBegun(
        key=key,
        batch=divided.batch,
        bundle=examined.bundle.digest,
        parent=divided.parent.version if divided.parent else None,
        evidence=examined.evidence,
        headline=examined.decision.headline,
        submission=ws.write_document(shown),
    )
    ws.ledger.append(intent, lease)
    registered = ws.registry.register(submitted, ws.write_document)
    return record_registration(ws, lease, intent, registered)


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


def _overtake(ws: Workspace, lease: Lease, version: views.Version) -> None:
    """Close a version whose run was killed before its decision, and which changed since."""
    overtaken = VersionSuperseded(
        version=version.version, batch=version.batch, reason="interrupted", requeue=False
    )
    ws.ledger.append(overtaken, lease)


def settle(
    ws: Workspace, lease: Lease, divided: Divided, examined: Examined, version: views.Version
) -> Settled:
    """Promote, hold or reject the version, then mirror that in MLflow."""
    decision = examined.decision
    payload: dict[str, Any] = {
        "batch": divided.batch,
        "version": version.version,
        "reason": decision.headline,
    }
    action: Action
    if _is_barred(ws, version):
        payload["reason"] = (
            "Rejected: the batch trains to the very bundle that was rolled back; a version "
            "rolled past is barred for ever."
        )
        action = _reject(ws, lease, divided, payload)
    elif decision.action == "promote":
        action = _promote(ws, lease, divided, examined, version, payload)
    elif decision.action == "hold":
        ws.ledger.append(VersionHeld(**payload), lease)
        action = "held"
    else:
        action = _reject(ws, lease, divided, payload)
    parent = [divided.parent] if divided.parent else []
    touched = [*views.versions(ws.ledger, batch=divided.batch), *parent]
    publication.mirror(ws, lease, {each.version for each in touched})
    return replace(
        settled(ws, divided.batch),
        action=action,
        headline=str(payload["reason"]),
        version=version.version,
        notes=examined.notes,
    )


def _reject(ws: Workspace, lease: Lease, divided: Divided, payload: dict[str, Any]) -> Action:
    """Refuse the version; its batch goes to quarantine, from where it can be released."""
    arrival = views.arrival(ws.ledger, divided.batch)
    assert arrival is not None  # the inbox is where the batch came from
    set_batch_aside(ws, arrival, str(payload["reason"]))
    rows = len(divided.split.train) + len(divided.split.holdout)
    append_entry(ws, lease, VersionRejected(**payload, rows=rows), arrival.batch)
    return "rejected"


def _promote(
    ws: Workspace,
    lease: Lease,
    divided: Divided,
    examined: Examined,
    version: views.Version,
    payload: dict[str, Any],
) -> Action:
    promotion = VersionPromoted(
        **payload,
        parent=divided.parent.version if divided.parent else None,
        anchors=_anchors(ws, divided, examined, version.version),
        exams={task: _newest_exam(divided, task) for task in _tasks(divided)},
    )
    try:
        ws.ledger.append(promotion, lease)
    except Superseded as error:
        payload["reason"] = str(error)
        ws.ledger.append(VersionSuperseded(**payload, requeue=True), lease)
        return "superseded"
    return "promoted"


def _anchors(ws: Workspace, divided: Divided, examined: Examined, version: int) -> dict[str, int]:
    """Return the anchors once `version` is champion.

    A new task is anchored at the version that learned it. An anchor moves only to a version
    shown better than it on every exam of the task, so the noise of a maximum never counts.
    """
    anchors = dict(divided.parent.anchors) if divided.parent else {}
    alpha = rules(ws).move_alpha
    for task in _tasks(divided) | set(anchors):
        sat = [exam for exam in examined.exams if exam.task == task and exam.anchor is not None]
        better = bool(sat) and all(
            exam.anchor is not None
            and exam.candidate is not None
            and shown_better(exam.anchor, exam.candidate, alpha)
            for exam in sat
        )
        if task not in anchors or better:
            anchors[task] = version
    return dict(sorted(anchors.items()))


def _tasks(divided: Divided) -> set[str]:
    return {item.task for item in divided.split.train + divided.split.holdout}


def _newest_exam(divided: Divided, task: str) -> str:
    """Return the exam that a task's fresh items join: its newest generation."""
    names = [exam for exam, owner in divided.tasks.items() if owner == task]
    return max(names, key=generation, default=task)


def generation(exam: str) -> int:
    """Return an exam's generation: 1 for "tweets", 2 for "tweets#2"."""
    task, _, number = exam.rpartition("#")
    return int(number) if task and number.isdigit() else 1


def _is_barred(ws: Workspace, version: views.Version) -> bool:
    return bool(views.versions(ws.ledger, bundle=version.bundle, status="barred"))
