"""Why a version is what it is: its evidence, and what happened to it later."""

from __future__ import annotations

from typing import Any

from components.errors import ConfigError
from components.evaluation.causes import causes, doubts
from components.ledger import views
from components.ledger.events import (
    ApprovalGiven,
    ChampionRolledBack,
    ProbationEnded,
    RollbackUndone,
)
from components.pipeline import pages
from components.pipeline.held import ways_to_settle
from components.pipeline.page_facts import rows_showing
from components.pipeline.reporting import report_path, warnings_of
from components.workspace.root import Workspace

DOCUMENTS = ("evidence", "snapshot", "checks", "submission", "files", "texts", "settings")
"""The names under which an event's payload carries the digest of a document."""


def explain(ws: Workspace, number: int) -> dict[str, Any]:
    """Return everything about one version as plain values.

    Raises:
        ConfigError: there is no such version.
    """
    version = registered(ws, number)
    arrival = views.arrival(ws.ledger, version.batch) if version.batch else None
    examined = views.examined(ws.ledger, version)
    evidence = ws.read_document(version.evidence)
    decision, likely = evidence["decision"], causes(evidence)
    standing = pages.standing(ws, version)
    return {
        "version": number,
        "status": version.status,
        "parent": version.parent,
        "origin": (examined.payload.origin if examined else None) or "batch",
        "batch": version.batch,
        "source": arrival.source if arrival else "",
        "pooled": _pooled(ws, version.batch) if version.batch else [],
        "title": standing.title,
        "headline": decision["headline"],
        "why": standing.why,
        "causes": [*map(str, likely)],
        "doubts": [*map(str, doubts(likely))],
        "rows": rows_showing(ws, evidence, version.batch, likely) if version.batch else {},
        "doubted": sorted({cause.task for cause in likely if cause.doubts_labels}),
        "warnings": warnings_of(ws, version.batch) if version.batch else [],
        "next": standing.next_steps,
        "reasons": decision["reasons"],
        "settle": ways_to_settle(ws, version) if version.status == "held" else (),
        "verdicts": decision["verdicts"],
        "drift": evidence.get("drift") or [],
        "later": _later(ws, number),
        "anchors": version.anchors,
        "evidence": version.evidence,
        "bundle": version.bundle,
        "run": version.run,
        "frozen": _frozen(ws, version.bundle),
        "report": str(report_path(ws, version.batch, version.bundle)),
    }


def registered(ws: Workspace, number: int) -> views.Version:
    """Return one version.

    Raises:
        ConfigError: there is no such version.
    """
    version = views.version(ws.ledger, number)
    if version is None:
        legal = ", ".join(str(each.version) for each in views.versions(ws.ledger)) or "none yet"
        raise ConfigError(f"There is no version {number}.", f"Versions: {legal}.")
    return version


def _pooled(ws: Workspace, batch: str) -> list[dict[str, str]]:
    """Return the batches that a batch was made of, each with its file."""
    members = views.members(ws.ledger, batch)
    return [{"batch": each.batch, "source": each.source} for each in members]


def _frozen(ws: Workspace, digest: str) -> str:
    """Say which layers were computed once, or why none were."""
    from components.errors import Corrupted
    from components.model.bundle import open_bundle

    try:
        state = open_bundle(ws.bundles, digest).state
    except Corrupted as damage:
        return f"unknown: {damage.message}"
    if state.get("frozen"):
        layers = str(state["frozen"]).replace("the lowest 1 layers", "the lowest layer")
        return f"computed once per text: {layers}"
    return f"every layer was computed each time: {state.get('uncut') or 'an earlier format'}"


def _later(ws: Workspace, number: int) -> list[dict[str, Any]]:
    """Return the ends of its probation, and the rollbacks of it or to it, undone ones as well."""
    found = _probation_ends(ws, number) + _words(ws, number)
    for event in views.told(ws.ledger, ChampionRolledBack):
        said = event.payload
        if number in said.barred:
            what = f"rolled back to version {said.to}: {said.reason}"
        elif number == said.to:
            what = f"champion again, after version {said.from_}: {said.reason}"
        else:
            continue
        found.append(
            {"time": event.time, "what": what, "cost": said.cost, "verdicts": said.regressions}
        )
    for undone in views.told(ws.ledger, RollbackUndone):
        if number in undone.payload.restored:
            what = f"the rollback was undone: {undone.payload.reason}"
            found.append({"time": undone.time, "what": what, "cost": None, "verdicts": []})
    return sorted(found, key=lambda each: str(each["time"]))


def _words(ws: Workspace, number: int) -> list[dict[str, Any]]:
    """Return what people said of this version while it was held, also where it did not count."""
    found: list[dict[str, Any]] = []
    for event in views.told(ws.ledger, ApprovalGiven):
        said = event.payload
        if number == said.version:
            what = f"{said.word} by {said.by or event.actor}: {said.reason}"
            what += f" (not counted: {said.refused})" if said.refused else ""
            found.append({"time": event.time, "what": what, "cost": None, "verdicts": []})
    return found


def _probation_ends(ws: Workspace, number: int) -> list[dict[str, Any]]:
    """Return how this version's probation ended, with the verdicts that ended it."""
    found = []
    for event in views.told(ws.ledger, ProbationEnded):
        said = event.payload
        if number == said.version:
            evidence = ws.read_document(said.evidence) if said.evidence else None
            verdicts = evidence["decision"]["verdicts"] if evidence else []
            what = f"{'confirmed' if said.confirmed else 'not confirmed'}: {said.reason}"
            found.append({"time": event.time, "what": what, "cost": None, "verdicts": verdicts})
    return found
