"""Promote a version: append its recorded proposal, now or later.

Concept: the event that closes an examination says all that a promotion does. `promote` reads
that event and nothing that a process still has in memory; the pipeline calls it at once, an
approval may call it days later.

What people corrected meanwhile (tasks renamed or retired, anchors moved) holds all the same. What
the gate lets in on probation comes into force unconfirmed: its anchors move once it is confirmed.

Promise: fast-forward only (law 2): if the champion is no longer the version's parent, the version
is superseded instead. So is one whose training rows became an exam meanwhile (law 4). A version
that was rejected, rolled back or released for another examination is never promoted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from components.errors import ConfigError, Corrupted
from components.exam_names import batch_exam
from components.ledger import views
from components.ledger.events import (
    CandidateExamined,
    Recorded,
    VersionPromoted,
    VersionSuperseded,
)
from components.ledger.ledger import Lease
from components.ledger.projections import FINAL, Superseded
from components.pipeline.publication import mirror_around
from components.pipeline.readiness import require_ready
from components.workspace.root import Workspace

LEARNED_FROM = ("anchors", "batch", "parent", "wall")
"""What `state.json` says of the lesson: if one of them changed, a barred batch may try again."""


def promote(
    ws: Workspace, lease: Lease, number: int, reason: str | None = None, *, settling: bool = False
) -> Literal["promoted", "superseded"]:
    """Make a version champion as its examination proposed, and let MLflow follow.

    `reason`: why, in a line; None for the examination's headline. `settling`: whether the
    pipeline asks, for the version that it has just examined and registered: only its bundle is
    verified again, and it begins on probation if that was decided; promoted later by a person, it
    is confirmed. A superseded version's batch is queued again unless another of its versions
    decided it.

    Raises:
        ConfigError: there is no such version, or it may not be promoted.
        Corrupted: its evidence or bundle does not verify, or its copy in MLflow cannot be put
            right; nothing was promoted.
    """
    from components.model.bundle import open_bundle

    version = views.version(ws.ledger, number)
    if version is None:
        raise ConfigError(f"There is no version {number}.", "`ratchet version list` shows all.")
    if version.status == "candidate" and not settling:
        raise ConfigError(
            f"Version {number} is registered but not settled: its run was interrupted.",
            "Run `ratchet intake`: it finishes the run of its batch.",
        )
    examined = _require_promotable(ws, version)
    if settling:
        open_bundle(ws.bundles, version.bundle)
    else:
        ws.read_document(version.evidence)
        require_ready(ws, lease, version)
    anchors, joins = _as_corrected(ws, examined)
    promoted = VersionPromoted(
        version=number,
        batch=version.batch,
        parent=examined.payload.parent,
        anchors=_numbered(anchors, number),
        exams=joins,
        reason=reason or examined.payload.headline,
    )
    if settling and examined.payload.action == "probation":
        promoted = _unconfirmed(ws, promoted)
    action: Literal["promoted", "superseded"] = "promoted"
    try:
        _require_unheld(ws, number)
        ws.ledger.append(promoted, lease)
    except Superseded as error:
        action, requeue = "superseded", _is_undecided(ws, version.batch)
        why = str(error) if requeue else error.message
        supersede(ws, lease, version, why, requeue)
    mirror_around(ws, lease, version)
    return action


def _unconfirmed(ws: Workspace, promoted: VersionPromoted) -> VersionPromoted:
    """Return the event of the same promotion on probation: no anchor moves, and it will end."""
    assert promoted.parent is not None  # what is open was compared with a version before
    parent = views.version(ws.ledger, promoted.parent)
    kept = parent.anchors if parent else {}
    ends = ws.clock() + timedelta(days=ws.settings.gate.probation_days)
    return replace(
        promoted,
        anchors={task: kept.get(task, at) for task, at in promoted.anchors.items()},
        probation_ends=ends.isoformat(),
        probation_labels=ws.settings.gate.probation_labels,
    )


def anchors_of(ws: Workspace, version: views.Version) -> dict[str, int]:
    """Return the anchors that a promoted version proposed, with what was corrected since."""
    examined = views.examined(ws.ledger, version)
    assert examined is not None  # it was promoted as that proposed
    return _numbered(_as_corrected(ws, examined)[0], version.version)


def _numbered(anchors: Mapping[str, int | None], number: int) -> dict[str, int]:
    """Return anchors with the version's own number where the candidate was meant."""
    return {task: number if at is None else at for task, at in anchors.items()}


def _as_corrected(
    ws: Workspace, examined: Recorded[CandidateExamined]
) -> tuple[Mapping[str, int | None], Mapping[str, str]]:
    """Return the proposed anchors, and the exams to join, with what was corrected since."""
    proposal, names = examined.payload, views.renamed_tasks(ws.ledger)
    assert proposal.anchors is not None and proposal.joins is not None
    brought = frozenset(proposal.joins)
    anchors = views.corrected_anchors(ws.ledger, proposal.anchors, brought, examined.seq)
    tasks = {names.get(task, task) for task in brought}
    return anchors, {task: batch_exam(task) for task in sorted(tasks)}


def _require_unheld(ws: Workspace, number: int) -> None:
    """Look again: rows that a version was trained on may have become an exam since.

    Raises:
        Superseded: some did.
    """
    leaks = views.leaks(ws.ledger, number)
    if leaks:
        exams = ", ".join(f"{leak.rows} in exam `{leak.exam}`" for leak in leaks)
        raise Superseded(
            f"Rows that version {number} was trained on are held out now: {exams}.",
            "Its batch is queued again and will be trained without them.",
        )


def _is_undecided(ws: Workspace, batch: str | None) -> bool:
    """Tell whether a batch waits for a decision; another of its versions may have decided it."""
    arrival = views.arrival(ws.ledger, batch) if batch is not None else None
    return arrival is not None and arrival.status in ("running", "held")


def supersede(
    ws: Workspace, lease: Lease, version: views.Version, reason: str, requeue: bool
) -> None:
    """Void a version's examination; with `requeue` its batch waits again."""
    said = VersionSuperseded(
        version=version.version, batch=version.batch, reason=reason, requeue=requeue
    )
    ws.ledger.append(said, lease)


def barred_twin(ws: Workspace, version: views.Version) -> views.Version | None:
    """Return a version that learned the same and was rolled past, if there is one.

    It has the same bundle; or the same weights, learned from the same batch in the same
    situation, in a bundle that was written in another form. Where a bundle can't be read, only
    the digests are compared.
    """
    same = views.versions(ws.ledger, bundle=version.bundle, status="barred")
    if not same and version.batch is not None:
        barred = views.versions(ws.ledger, batch=version.batch, status="barred")
        same = [each for each in barred if _learned_the_same(ws, version.bundle, each.bundle)]
    return next(iter(same), None)


def _learned_the_same(ws: Workspace, one: str, other: str) -> bool:
    from components.model.bundle import STATE, open_bundle

    try:
        bundles = [open_bundle(ws.bundles, digest) for digest in (one, other)]
    except Corrupted:
        return False
    said = [each.state for each in bundles]
    known = [name for name in LEARNED_FROM if all(name in state for state in said)]
    facts = [{name: state[name] for name in known} for state in said]
    trained = [each.files | {STATE: ""} for each in bundles]
    return facts[0] == facts[1] and trained[0] == trained[1]


def _require_promotable(ws: Workspace, version: views.Version) -> Recorded[CandidateExamined]:
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
            f"{here} learned the same as version {twin.version}, which is barred permanently.",
            "Send a better batch.",
        )
    if version.status == "rejected" or (examined and examined.payload.action == "reject"):
        raise ConfigError(
            f"{here} was rejected: {version.headline}",
            f"A rejection can't be overruled; see `ratchet version explain {version.version}`.",
        )
    if examined is None or examined.payload.anchors is None:
        raise ConfigError(
            f"{here} was examined by an older Ratchet that did not record what a promotion needs.",
            "Examine it again: `ratchet quarantine release "
            f"{(version.batch or '')[:12]}`, then `ratchet intake`.",
        )
    arrival = views.arrival(ws.ledger, version.batch) if version.batch is not None else None
    if arrival is not None and arrival.status == "pooled":
        raise ConfigError(
            f"{here} is superseded: its batch was {arrival.reason}.",
            "Approve a version of that batch, or release it: see `ratchet status`.",
        )
    if version.status == "superseded" and any(
        void.payload.version == version.version and void.seq > examined.seq
        for void in views.told(ws.ledger, VersionSuperseded)
    ):
        raise ConfigError(
            f"{here} is superseded: its examination no longer applies.",
            "It can be promoted after it is examined again.",
        )
    return examined
