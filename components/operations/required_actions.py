"""What waits for a person: of whom, since when, and what settles it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from components.errors import ConfigError
from components.exam_names import task_of
from components.gate.alpha_spending import OVERUSED_AFTER, count
from components.ledger import views
from components.ledger.events import (
    BatchArrived,
    BatchRefused,
    VersionExported,
    VersionHeld,
    VersionRejected,
)
from components.operations import exported_folder
from components.pipeline.came_in import came_in
from components.pipeline.held import beyond_a_person, decision_on, waits_for_labels, ways_to_settle
from components.pipeline.taken_out import is_back
from components.pipeline.words import counting
from components.registry.server_rules import APPROVER, LABELLER
from components.workspace.root import Workspace

QUARANTINE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Required:
    """One held version. `settle`: all that would settle it, each with its cost.

    `since`: when it was held, in ISO 8601; `days`: ago. `approvers`, `labellers`: the people who
    may do something about it; without any, whoever works on this machine may. `approved`: how many
    of them did, where it takes more than one.
    """

    version: int
    batch: str
    since: str
    days: int
    approvers: tuple[str, ...]
    labellers: tuple[str, ...]
    approved: str
    settle: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.heading}: {'; '.join(self.settle)}."

    @property
    def heading(self) -> str:
        """Which batch waits, how long already, and for whom."""
        waits = {0: "waits since today", 1: "waits a day"}.get(self.days, f"waits {self.days} days")
        parts = [
            f"{' or '.join(self.approvers)} to approve{self.approved}" if self.approvers else "",
            f"{' or '.join(self.labellers)} to label" if self.labellers else "",
        ]
        of_whom = f" for {', '.join(filter(None, parts))}" if any(parts) else ""
        return f"batch {self.batch[:12]} (version {self.version}, {waits}{of_whom})"


def required_actions(ws: Workspace, newest: int | None = None) -> list[Required]:
    """Return what waits for people, oldest first; the `newest` so many where that is given."""
    held = views.versions(ws.ledger, status="held")
    held = held[-newest:] if newest else held
    since = {each.payload.version: each.time for each in views.told(ws.ledger, VersionHeld)}
    return [
        Required(
            each.version,
            each.batch,
            since.get(each.version, ""),
            _days(ws, since.get(each.version)),
            *_who(ws, each),
            ways,
        )
        for each in held
        if each.batch and (ways := ways_to_settle(ws, each))
    ]


def upkeep(ws: Workspace) -> list[str]:
    """Return what whoever keeps this root should look at.

    These are worn exams, batches that were taken out and came back by a rollback, exported folders
    that hold what was champion once, and what lies in quarantine. Of the quarantine, what came
    within `QUARANTINE_DAYS` and is not corrected: nothing waits for it.
    """
    use = views.use_by_exam(ws.ledger)
    worn = [
        exam
        for exam in views.exam_sizes(ws.ledger)
        if count(use(exam).spent, [1.0] * use(exam).turned_away) >= OVERUSED_AFTER
    ]
    lines = [
        f"exam {exam} has turned away so many candidates that it is worn: bring new items "
        f"(`ratchet holdout add FILE --task {task_of(exam)}`)."
        for exam in worn
    ]
    back = views.brought_back(ws.ledger, views.lineage(ws.ledger))
    lines += [f"{is_back(each.batch, each.version.version)}." for each in back]
    lines += _outdated_exports(ws)
    since = {
        batch: each.time
        for kind in (BatchArrived, BatchRefused, VersionRejected)
        for each in views.told(ws.ledger, kind)
        if (batch := getattr(each.payload, "batch", None))
    }
    fresh = {
        row.batch
        for row in views.quarantined(ws.ledger)
        if row.status == "kept"
        and row.batch in since
        and _days(ws, since[row.batch]) <= QUARANTINE_DAYS
        and not _is_corrected(ws, row)
    }
    if fresh:
        batches = "a batch" if len(fresh) == 1 else f"{len(fresh)} batches"
        lines.append(
            f"{batches} came to quarantine within {QUARANTINE_DAYS} days: "
            "`ratchet quarantine list` says why."
        )
    return lines


def _is_corrected(ws: Workspace, kept: Any) -> bool:
    """Tell whether all of an entry of the quarantine came in with another batch."""
    arrival = views.arrival(ws.ledger, kept.batch)
    since = came_in(ws, arrival, kept.kind) if arrival is not None else None
    return since is not None and since.all


def _outdated_exports(ws: Workspace) -> list[str]:
    """Name the folders that were given the champion, and hold it although it is that no more.

    Those that are gone, or hold something else by now, are somebody's own affair.
    """
    champion, lines = views.champion(ws.ledger), []
    newest = {each.payload.folder: each.payload for each in views.told(ws.ledger, VersionExported)}
    for folder, told in newest.items():
        if champion is None or told.status != "champion" or told.version == champion.version:
            continue
        try:
            holds = exported_folder.read(ws.root / folder)
        except ConfigError:
            continue
        if holds.bundle == told.bundle:
            lines.append(
                f"{folder} holds version {told.version}, and the champion is version "
                f"{champion.version}: `ratchet export champion {shlex.quote(folder)} --force`."
            )
    return lines


def _days(ws: Workspace, since: str | None) -> int:
    return (ws.clock() - datetime.fromisoformat(since)).days if since else 0


def _who(ws: Workspace, version: views.Version) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return who may approve a held version, who may label for it, and how many approved it."""
    decision, people = decision_on(ws, version), views.people(ws.ledger)
    if decision is None:
        return (), (), ""
    may = {
        APPROVER: not beyond_a_person(decision),
        LABELLER: waits_for_labels(decision),
    }
    approvers, labellers = (
        tuple(name for name, own in people.items() if role in own and may[role])
        for role in (APPROVER, LABELLER)
    )
    wanted = ws.settings.gate.approvals
    said = f" ({len(counting(ws, version))} of {wanted} did)" if wanted > 1 else ""
    return approvers, labellers, said
