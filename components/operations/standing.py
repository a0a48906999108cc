"""How a root stands: what its champion can do, what became of each batch, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from components.ledger import views
from components.ledger.events import BatchArrived
from components.pipeline.came_in import corrected_since
from components.pipeline.cause import causes_for
from components.workspace.root import Workspace


@dataclass(frozen=True, slots=True)
class InForce:
    """The champion. `source`: the file it learned last, where it came from one.

    `how`, `since`: the move that brought it into force (promotion, probation, rollback or undo),
    and when, in ISO 8601.
    """

    version: int
    source: str
    how: str
    since: str


@dataclass(frozen=True, slots=True)
class Known:
    """A batch of the inbox. `next`: a command, or nothing to do.

    `task`: those of its rows, by the names that they have now; `arrived`: when, in ISO 8601;
    `why`: that its rows came in since, else what probably went wrong with it, where the facts show
    it, else the recorded reason.
    """

    arrival: views.Arrival
    task: str
    arrived: str
    why: str
    next: str


def in_force(ws: Workspace) -> InForce | None:
    """Return the champion and since when it is in force; None before the first promotion."""
    champion = views.champion(ws.ledger)
    if champion is None:
        return None
    move = views.pointer_history(ws.ledger)[-1]
    found = views.arrival(ws.ledger, champion.batch) if champion.batch else None
    return InForce(champion.version, found.source if found else "", move.how, move.time)


def batches(ws: Workspace) -> list[Known]:
    """Return every batch, first in first out, with what to do about it."""
    times = {each.payload.batch: each.time for each in views.told(ws.ledger, BatchArrived)}
    busy = ws.ledger.is_held(ws.settings.model.name)
    found = []
    for each in views.arrivals(ws.ledger):
        since = corrected_since(ws, each)
        why = since or next(iter(causes_for(ws, each)), each.reason)
        task, next_ = views.tasks_of(ws.ledger, each), "" if since else _next(each, busy)
        found.append(Known(each, task, times.get(each.batch, ""), why, next_))
    return found


def _next(arrival: views.Arrival, busy: bool) -> str:
    explain = f"ratchet version explain {arrival.version}"
    return {
        "queued": "" if busy else "ratchet intake",
        "running": "" if busy else "ratchet reconcile",
        "refused": f"ratchet quarantine show {arrival.batch[:12]}",
        "held": explain,
        "rejected": explain,
        "quarantined": explain,
    }.get(arrival.status, "")
