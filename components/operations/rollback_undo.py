"""Undo a rollback that was made by hand: one event, and all stands as it stood before it.

Concept: the rollback barred versions, put the first of their batches in quarantine and queued the
rest again. As long as nothing else changed the champion, all of that can be taken back: the
versions are the champion's line again, their held-out rows are in the exams again, their batches
count as promoted. A batch that was run again meanwhile, and held or rejected, does so too.

Promise: a version that `watch` rolled past stays barred (law 2). Refused in words is whatever the
restored versions would contradict: their training rows were held out meanwhile (law 4), a batch
was split otherwise, released as something else, or trained with others.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from components.errors import ConfigError
from components.ledger import views
from components.ledger.events import (
    ChampionRolledBack,
    Payload,
    Recorded,
    RollbackUndone,
    SplitMade,
    VersionSuperseded,
)
from components.ledger.ledger import Lease
from components.pipeline import publication
from components.pipeline.came_in import corrected_since
from components.pipeline.readiness import require_ready
from components.workspace.root import Workspace

AS_IT_WAS = ("queued", "running", "quarantined", "held", "rejected")
"""What may have become of a batch since the rollback, if it is to count as promoted again."""


@dataclass(frozen=True, slots=True)
class Undone:
    """A rollback undone, or what undoing it would do.

    `rollback`: the number of its event. `restored`: the versions that are on the champion's line
    again; `batches`: theirs, promoted again; `superseded`: held versions of these batches.
    """

    rollback: int
    from_version: int
    to_version: int
    restored: list[int]
    batches: list[str]
    superseded: list[int]
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def plan(ws: Workspace, reason: str) -> Undone:
    """Return what undoing the newest rollback would do.

    Raises:
        ConfigError: there is none, `watch` made it, the champion changed since, or something that
            happened to the batches or exams since stands against it.
    """
    rollback = _rollback_by_hand(ws)
    said = rollback.payload
    restored = [each for each in views.versions(ws.ledger) if each.version in said.barred]
    batches = [each.batch for each in restored if each.batch is not None]
    for batch in batches:
        _require_as_it_was(ws, rollback.seq, batch)
    for version in restored:
        _require_never_trained_on(ws, version)
    superseded = [
        version.version
        for batch in batches
        for version in views.versions(ws.ledger, batch=batch, status="held")
    ]
    numbers = [each.version for each in restored]
    return Undone(rollback.seq, said.to, said.from_, numbers, batches, superseded, reason)


def undo(ws: Workspace, lease: Lease, reason: str) -> Undone:
    """Undo the newest rollback; the version that it left is champion again.

    Raises:
        ConfigError: as `plan`.
        Corrupted: that version's bundle does not verify, or its copy in MLflow cannot be put right;
            the pointer has not moved.
    """
    planned = plan(ws, reason)
    [goal] = views.versions(ws.ledger, version=planned.to_version)
    require_ready(ws, lease, goal)
    undone = RollbackUndone(
        rollback=planned.rollback,
        from_=planned.from_version,
        to=planned.to_version,
        restored=planned.restored,
        batches=planned.batches,
        reason=reason,
    )
    outdated: list[Payload] = []
    for number in planned.superseded:
        [held] = views.versions(ws.ledger, version=number)
        why = f"version {planned.to_version} is champion again, which learned its batch"
        outdated.append(
            VersionSuperseded(version=number, batch=held.batch, reason=why, requeue=False)
        )
    ws.ledger.append_all([*outdated, undone], lease)
    touched = {planned.from_version, *planned.restored, *planned.superseded}
    publication.mirror(ws, lease, touched)
    return planned


def _rollback_by_hand(ws: Workspace) -> Recorded[ChampionRolledBack]:
    """Return the rollback that is the newest change of the champion, if a person made it."""
    rollbacks = {each.seq: each for each in views.told(ws.ledger, ChampionRolledBack)}
    move = views.newest_move(ws.ledger)
    found = rollbacks.get(move.seq) if move else None
    if found is None:
        earlier = [each for each in rollbacks.values() if move and each.seq < move.seq]
        raise ConfigError(
            f"There is no rollback to undo: the champion changed since the last one, and is "
            f"version {move.version} now."
            if earlier
            else "There is no rollback to undo.",
            _learn_again(ws, earlier[-1].payload) if earlier else "See `ratchet history`.",
        )
    if found.payload.regressions:
        raise ConfigError(
            f"Version {found.payload.from_} was rolled back by `ratchet watch`, because it was "
            "shown to do worse: it stays barred.",
            _learn_again(ws, found.payload),
        )
    return found


def _learn_again(ws: Workspace, said: ChampionRolledBack) -> str:
    """Say how what a rollback took away can be learned otherwise."""
    batch = said.offending_batch
    found = views.arrival(ws.ledger, batch) if batch else None
    if since := corrected_since(ws, found):
        return f"Nothing is to be done about its batch: {since}."
    if batch is None or found is None or found.status != "quarantined":
        became = f"Its batch {batch[:12]} is {found.status} now. " if batch and found else ""
        return f"{became}See `ratchet history`; `ratchet rollback --to VERSION` goes back further."
    return (
        "To let its batch be learned again: "
        f"`ratchet quarantine release {batch[:12]}`, then `ratchet intake`."
    )


def _require_as_it_was(ws: Workspace, since: int, batch: str) -> None:
    """Refuse where a batch became something else than what the restored version learned."""
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # every version's batch arrived
    if arrival.status not in AS_IT_WAS:
        raise _too_late(
            f"batch {batch[:12]} ({arrival.source}) is {arrival.status}"
            + (f": {arrival.reason}" if arrival.reason else "")
        )
    again = _sides(ws, batch, since)
    if again and again[-1] != _sides(ws, batch)[-len(again) - 1]:
        raise _too_late(f"batch {batch[:12]} ({arrival.source}) was split otherwise")


def _sides(ws: Workspace, batch: str, after: int = 0) -> list[tuple[frozenset[str], ...]]:
    """Return which items each split of a batch trained on and held out, oldest first."""
    splits = [each.payload for each in views.told(ws.ledger, SplitMade, after)]
    return [
        tuple(frozenset(row[0] for row in side) for side in (said.train, said.holdout))
        for said in splits
        if said.batch == batch
    ]


def _require_never_trained_on(ws: Workspace, version: views.Version) -> None:
    """Refuse where an exam has rows by now that a restored version was trained on (law 4)."""
    for leak in views.leaks(ws.ledger, version.version):
        raise _too_late(
            f"{leak.rows} rows that version {version.version} was trained on are in the exam "
            f"`{leak.exam}`"
        )


def _too_late(what: str) -> ConfigError:
    return ConfigError(
        f"The rollback can't be undone any more: since then, {what}.",
        "What is in quarantine can be learned again: `ratchet quarantine list`.",
    )
