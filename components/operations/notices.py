"""What people should hear of: what was held, refused, rolled back, or waits for them.

Concept: the ledger says what happened; a notice is a line about it, with what to do next. Which
events were told of is an event too, so nothing is told twice, and nothing is left out because the
worker was down.

Promise: every notice is a line of `mlruns/notices.log`, wherever else it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from components.ledger import views
from components.ledger.events import (
    BatchArrived,
    BatchRefused,
    ChampionRolledBack,
    LabelGiven,
    NoticesTold,
    Payload,
    Recorded,
    RollbackUndone,
    VersionHeld,
    VersionPromoted,
    VersionRejected,
)
from components.operations.required_actions import required_actions
from components.pipeline.held import ways_to_settle
from components.pipeline.taken_out import is_back
from components.workspace.root import Workspace

LOG = "notices.log"
KINDS: tuple[type[Payload], ...] = (
    BatchArrived, BatchRefused, VersionHeld, VersionRejected, ChampionRolledBack, RollbackUndone,
)  # fmt: skip


COUNTED: dict[str, tuple[type[Payload], ...]] = {
    "arrived": (BatchArrived,),
    "promoted": (VersionPromoted,),
    "held": (VersionHeld,),
    "rejected or refused": (VersionRejected, BatchRefused),
    "rolled back": (ChampionRolledBack,),
    "rollbacks undone": (RollbackUndone,),
    "labels given": (LabelGiven,),
}
"""What a digest counts."""

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell: what kind, and what, in a line."""

    kind: str
    text: str


PUT_BACK = Notice(
    "put back",
    "an alias was moved in MLflow past the pipeline, and is back; where it was is in the ledger "
    "(`alias.mirrored`). Whoever did it can write to mlruns/ (SECURITY.md).",
)


def news(ws: Workspace) -> list[Notice]:
    """Return what happened since the last time, and note that it was told.

    In a root that never told anything, it begins now.
    """
    last = views.newest_event(ws.ledger, NoticesTold)
    head = ws.ledger.head().seq
    if last is not None and last.through >= head:
        return []
    events = [] if last is None else _since(ws, last.through)
    if last is None or events:
        ws.ledger.append(NoticesTold(through=head), None)
    return [_notice(ws, each) for each in events]


def tell(ws: Workspace, notices: Sequence[Notice]) -> None:
    """Write notices to the log."""
    if not notices:
        return
    now, model = ws.clock().isoformat(timespec="seconds"), ws.settings.model.name
    with (ws.mlruns / LOG).open("a", encoding="utf-8") as file:
        file.writelines(f"{now} {model} {each.kind}: {each.text}\n" for each in notices)


def digest(ws: Workspace) -> Notice:
    """Return what happened within a day, in a line: how much of what, and what is in force."""
    since = (ws.clock() - DAY).isoformat()
    counts = {
        what: sum(event.time >= since for kind in kinds for event in views.told(ws.ledger, kind))
        for what, kinds in COUNTED.items()
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing"
    champion = views.champion(ws.ledger)
    now = f"version {champion.version} is champion" if champion else "there is no champion"
    count = len(required_actions(ws))
    waiting = "1 version waits" if count == 1 else f"{count} versions wait"
    return Notice("digest", f"in the last 24 hours: {told}. Now {now}, and {waiting} for people.")


def waiting(ws: Workspace) -> list[str]:
    """Return all that waits for a person, a line each, with what settles it."""
    return [f"to settle {each}" for each in required_actions(ws)]


def _since(ws: Workspace, seq: int) -> list[Recorded[Payload]]:
    found = [each for kind in KINDS for each in views.told(ws.ledger, kind, after=seq)]
    found = [each for each in found if getattr(each.payload, "refused", "") is not None]
    return sorted(found, key=lambda each: each.seq)


def _notice(ws: Workspace, event: Recorded[Payload]) -> Notice:
    said = event.payload
    if isinstance(said, VersionHeld):
        version = views.version(ws.ledger, said.version)
        ways = "; ".join(ways_to_settle(ws, version)) if version else ""
        return Notice("held", f"version {said.version}: {said.reason} {ways}".strip())
    if isinstance(said, VersionRejected):
        return Notice(
            "rejected",
            f"version {said.version}: {said.reason} `ratchet version explain {said.version}`",
        )
    if isinstance(said, ChampionRolledBack):
        back = [is_back(*each) for each in said.cost.get("returned", {}).items()]
        told = "; ".join([f"{said.reason} `ratchet history`", *back])
        return Notice("rolled back", f"version {said.from_} to {said.to}: {told}")
    if isinstance(said, RollbackUndone):
        told = f"version {said.from_} to {said.to} again: {said.reason} `ratchet history`"
        return Notice("rollback undone", told)
    assert isinstance(said, BatchArrived | BatchRefused)
    reason = said.reason if isinstance(said, BatchRefused) else f"{said.source}: {said.refused}"
    return Notice("refused", f"{reason} `ratchet quarantine show {said.batch[:12]}`")
