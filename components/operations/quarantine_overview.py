"""What lies in quarantine or is held: why, in a few words, and what came in since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.ledger import views
from components.pipeline.came_in import CameIn, came_in
from components.pipeline.cause import causes_for, causes_of
from components.workspace.root import Workspace


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the quarantine (`kind`: rows or batch), or a batch that is held."""

    batch: str
    file: str
    kind: str
    rows: int
    status: str
    reason: str
    causes: tuple[str, ...]
    came_in: CameIn | None

    @property
    def corrected(self) -> bool:
        """Whether all of it came in with another batch."""
        return self.came_in is not None and self.came_in.all


def overview(ws: Workspace) -> list[Listed]:
    """Return what is in quarantine, by batch, then what is held, oldest first."""
    found = [entry(ws, kept) for kept in views.quarantined(ws.ledger)]
    return [*found, *(_held(ws, each) for each in views.held_batches(ws.ledger))]


def entry(ws: Workspace, kept: Any) -> Listed:
    """Return one entry; `kept`: its row of `views.quarantined`."""
    arrival, causes, since = views.arrival(ws.ledger, kept.batch), tuple[str, ...](), None
    if arrival is not None:
        if kept.kind == "batch" and arrival.version:
            causes = causes_of(ws, views.version(ws.ledger, arrival.version))
        if kept.status == "kept":
            since = came_in(ws, arrival, kept.kind)
    file = arrival.source if arrival else ""
    return Listed(kept.batch, file, kept.kind, kept.rows, kept.status, kept.reason, causes, since)


def _held(ws: Workspace, held: views.Arrival) -> Listed:
    rows = len(views.split_side(ws.ledger, held.batch))
    causes, since = causes_for(ws, held), came_in(ws, held)
    return Listed(held.batch, held.source, "held", rows, "held", held.reason, causes, since)
