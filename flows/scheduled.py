"""What a schedule asks for, done once for each time that it was due.

Concept: Prefect starts a run at each due time. What was done is in the ledger, so a run whose time
was served already (several were late, or one was caught up on) does nothing; and a time that
nobody was there for is caught up on, once, when the deployments are served again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow, runtime

from components.ledger import views
from components.ledger.events import ScheduleKept
from components.workspace.root import Workspace
from flows.intake import intake
from flows.reconcile import reconcile
from flows.reminders import remind
from flows.retain import retain
from flows.steps import workspace
from flows.watch import watch

JOBS: Mapping[str, Callable[[str], Any]] = {
    "train": intake,
    "watch": watch,
    "reconcile": reconcile,
    "remind": remind,
    "retain": retain,
}
"""What can be scheduled; `service.<job>_at` says when."""


@flow(name="scheduled", validate_parameters=False)
def scheduled(root: str, job: str) -> Any:
    """Do one job, unless it was done since this run's time; return what it returns."""
    ws = workspace(root)
    due = runtime.flow_run.scheduled_start_time or ws.clock()
    kept = views.kept_until(ws.ledger, job)
    if kept is not None and due <= kept:
        return f"skipped: {job} was done for {kept.isoformat()} already"
    found = JOBS[job](root)
    ws.ledger.append(ScheduleKept(job=job, due=due.astimezone(UTC).isoformat()), None)
    return found


def missed(ws: Workspace, job: str, cron: str) -> datetime | None:
    """Return the newest time that a schedule was due and not kept; None where none was missed.

    A schedule that was never there before holds from now on.
    """
    now, kept = ws.clock(), views.kept_until(ws.ledger, job)
    if kept is None:
        begun = ScheduleKept(job=job, due=now.astimezone(UTC).isoformat(), begun=True)
        ws.ledger.append(begun, None)
        return None
    return last_due(cron, ws.settings.service.time_zone, kept, now)


def last_due(cron: str, zone: str, after: datetime, until: datetime) -> datetime | None:
    """Return the last time that a cron line is due, after one moment and up to another."""
    found = None
    while times := due_times(cron, zone, after, until):
        found = after = times[-1]
    return found


def due_times(cron: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return the first times that a cron line is due, after one moment and up to another.

    As Prefect's scheduler has them: where the clock is put forward, a time that is skipped is due
    an hour before, at 1:30 instead of 2:30; where it is put back, one that comes twice is due once.
    """
    from prefect.server.schemas.schedules import CronSchedule

    schedule = CronSchedule(cron=cron, timezone=zone)
    start = after + timedelta(seconds=1)
    if start > until:
        return []
    return list(asyncio.run(schedule.get_dates(start=start, end=until)))
