"""Which batch runs next, and when the queue waits for labels.

Concept: a held batch blocks nobody, so while its labels are awaited another version may become
champion; then it is trained from that one, and its questions are asked about a new candidate. Where
that happens again and again, the batch would never be decided. So after the second time it comes
first, and the batches that arrived after it wait until its labels have come.

Promise: what waits goes on by itself, at the latest `gate.wait_days` days after the batch was held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from components.ledger import views
from components.ledger.events import VersionHeld, VersionSuperseded
from components.pipeline.held import decision_on, waits_for_labels
from components.workspace.root import Workspace

OFTEN = 2
"""So often another version became champion while the batch waited for labels."""


@dataclass(frozen=True, slots=True)
class AwaitedFirst:
    """A held batch that must be decided before those that arrived after it run; until `until`."""

    arrival: views.Arrival
    until: datetime

    def __str__(self) -> str:
        return (
            f"Later batches wait for the labels of batch {self.arrival.batch[:12]}, during which "
            f"another version became champion {OFTEN} times or more: `ratchet label`. They go on "
            f"by themselves on {self.until:%Y-%m-%d, %H:%M} UTC."
        )


def next_batch(ws: Workspace) -> str | None:
    """Return the batch that runs next; None where none is queued, or all have to wait."""
    queued = views.waiting(ws.ledger)
    if not queued:
        return None
    often = _often_passed(ws)
    first = _awaited(ws, often)
    if first is not None:
        queued = [each for each in queued if each.position < first.arrival.position]
    queued.sort(key=lambda each: (each.batch not in often, each.position))
    return queued[0].batch if queued else None


def awaited_first(ws: Workspace) -> AwaitedFirst | None:
    """Return the oldest held batch that later ones wait for."""
    return _awaited(ws, _often_passed(ws))


def _awaited(ws: Workspace, often: Collection[str]) -> AwaitedFirst | None:
    for arrival in views.held_batches(ws.ledger) if often else ():
        version = views.version(ws.ledger, arrival.version) if arrival.version else None
        if version is None or arrival.batch not in often:
            continue
        decision = decision_on(ws, version)
        if decision is not None and waits_for_labels(decision):
            until = _held_at(ws, version) + timedelta(days=ws.settings.gate.wait_days)
            if ws.clock() < until:
                return AwaitedFirst(arrival, until)
    return None


def _often_passed(ws: Workspace) -> frozenset[str]:
    """Return the batches that others passed `OFTEN` times while their labels were awaited."""
    told = views.told(ws.ledger, VersionSuperseded)
    times = Counter(event.payload.batch for event in told if event.payload.passed)
    return frozenset(batch for batch, count in times.items() if batch and count >= OFTEN)


def _held_at(ws: Workspace, version: views.Version) -> datetime:
    """Return when a version was held last."""
    told = views.told(ws.ledger, VersionHeld)
    return max(
        datetime.fromisoformat(event.time)
        for event in told
        if event.payload.version == version.version
    )
