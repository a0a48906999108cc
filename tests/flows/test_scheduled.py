"""Schedules: each due time is served once, on the days when the clock changes as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from components.ledger import views
from components.ledger.events import ScheduleKept
from components.workspace.root import Workspace, open_workspace
from flows import scheduled

BERLIN = ZoneInfo("Europe/Berlin")


def at(*when: int, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime(*when, tzinfo=zone)  # type: ignore[arg-type, misc]


def due(cron: str, after: datetime, until: datetime) -> list[str]:
    found = scheduled.due_times(cron, "Europe/Berlin", after, until)
    return [each.astimezone(UTC).strftime("%m-%d %H:%M") for each in found]


def test_a_nightly_time_keeps_to_the_clock_on_the_wall_when_it_is_put_forward() -> None:
    """On 2026-03-29 it is 3:00 after 1:59."""
    assert due("0 5 * * *", at(2026, 3, 27), at(2026, 3, 31)) == [
        "03-27 04:00", "03-28 04:00", "03-29 03:00", "03-30 03:00",
    ]  # fmt: skip
    skipped = due("30 2 * * *", at(2026, 3, 28), at(2026, 3, 31))
    assert skipped == ["03-28 01:30", "03-29 00:30", "03-30 00:30"], "once that day all the same"


def test_a_time_that_comes_twice_when_the_clock_is_put_back_is_due_once() -> None:
    """On 2026-10-25 it is 2:00 again after 2:59."""
    assert due("30 2 * * *", at(2026, 10, 24), at(2026, 10, 26)) == ["10-24 00:30", "10-25 00:30"]
    assert due("0 5 * * *", at(2026, 10, 24), at(2026, 10, 27)) == [
        "10-24 03:00", "10-25 04:00", "10-26 04:00",
    ]  # fmt: skip


def test_only_the_last_of_many_times_is_found_however_long_ago_they_began() -> None:
    found = scheduled.last_due("* * * * *", "UTC", at(2026, 1, 1), at(2026, 1, 3, 0, 0, 30))
    assert found is not None and found.astimezone(BERLIN) == at(2026, 1, 3)


@pytest.fixture
def ws(root: Path) -> Workspace:
    return open_workspace(root, clock=Clock())


class Clock:
    """The only thing that these tests replace."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 18, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> datetime:
        self.now += timedelta(**time)
        return self.now


def run(ws: Workspace, job: str, when: datetime) -> object:
    """Run the flow's body, as Prefect would for this time."""
    with (
        mock.patch.object(scheduled, "workspace", lambda root: ws),
        mock.patch.dict(scheduled.JOBS, {job: lambda root: "done"}),
        mock.patch.object(scheduled.runtime, "flow_run", mock.Mock(scheduled_start_time=when)),
    ):
        return scheduled.scheduled.fn(str(ws.root), job)


def test_a_night_off_is_caught_up_on_once(ws: Workspace) -> None:
    clock = ws.clock
    assert isinstance(clock, Clock)
    assert scheduled.missed(ws, "watch", "0 * * * *") is None, "it holds from now on"
    clock.pass_(hours=14, minutes=20)
    missed = scheduled.missed(ws, "watch", "0 * * * *")
    assert missed == datetime(2026, 11, 3, 8, 0, tzinfo=UTC)
    assert run(ws, "watch", clock.now) == "done"
    assert scheduled.missed(ws, "watch", "0 * * * *") is None
    late = datetime(2026, 11, 3, 5, 0, tzinfo=UTC)
    assert "skipped: watch was done for 2026-11-03T08:20" in str(run(ws, "watch", late))
    following = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
    assert run(ws, "watch", following) == "done"
    assert run(ws, "reconcile", late) == "done", "each job has times of its own"


def test_what_fails_is_not_kept(ws: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), mock.patch.dict(scheduled.JOBS, {"watch": 0}):
        with mock.patch.object(scheduled, "workspace", lambda root: ws):
            scheduled.JOBS["watch"] = lambda root: 1 / 0  # type: ignore[index]
            scheduled.scheduled.fn(str(ws.root), "watch")
    assert [each.payload.job for each in views.told(ws.ledger, ScheduleKept)] == []
