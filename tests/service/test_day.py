"""A day of schedules: nothing is left over from one run to the next."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from components.service import supervisor
from tests.command import ratchet
from tests.service.installation import Installation, installed, soon
from tests.stream import batch

HOURS = 24
JOBS = ("watch", "remind", "train", "reconcile", "retain")
MEGABYTES_MORE, HANDLES_MORE = 40, 8


@dataclass(frozen=True)
class Held:
    """What one process holds: megabytes, open files, and how many processes below it."""

    megabytes: float
    handles: int
    below: int


def held(up: Installation) -> dict[str, Held]:
    """Return what each process of an installation holds at rest: the least of half a minute."""
    found = dict[str, list[Held]]()
    for _ in range(30):
        time.sleep(1.0)
        for each in supervisor.statuses(up.ws.mlruns):
            with suppress(psutil.NoSuchProcess):  # a run that ended meanwhile
                found.setdefault(each.name, []).append(_of(psutil.Process(each.pid)))
    return {name: min(seen, key=lambda each: each.megabytes) for name, seen in found.items()}


def _of(top: psutil.Process) -> Held:
    family = [top, *top.children(recursive=True)]
    return Held(
        sum(one.memory_info().rss for one in family) / 1e6,
        sum(one.num_fds() for one in family),
        len(family),
    )


def run(up: Installation, job: str, hour: int) -> None:
    """Let Prefect run a job as its schedule does, and wait for it."""
    api = f"{up.prefect}/api"
    name = f"{api}/deployments/name/scheduled/tiny-{job}"
    deployment = soon(lambda: httpx.get(name, timeout=60).json().get("id"))
    answer = httpx.post(
        f"{api}/deployments/{deployment}/create_flow_run", json={"name": f"{hour}:00"}, timeout=60
    )
    assert answer.status_code == 201, answer.text
    started = answer.json()["id"]

    def state() -> str:
        found = httpx.get(f"{api}/flow_runs/{started}", timeout=60).json()["state_type"]
        return str(found) if found in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else ""

    assert soon(state, 120) == "COMPLETED", job


@pytest.mark.slow
def test_after_a_day_of_schedules_nothing_is_left_over(tmp_path: Path) -> None:
    with installed(tmp_path) as up:
        batch(up.root / "data" / "incoming" / "mood" / "b1.jsonl", 1)
        assert soon(up.held, 180) == [1]
        assert up.tag("ann", 1, "approved") == 200 and soon(up.champion) == 1
        for hour, job in enumerate(JOBS):
            run(up, job, hour)
        before = held(up)
        for hour in range(HOURS):
            run(up, JOBS[hour % len(JOBS)], hour)
        after = held(up)
        for name, then in before.items():
            now = after[name]
            assert now.megabytes - then.megabytes < MEGABYTES_MORE, (name, then, now)
            assert now.handles - then.handles <= HANDLES_MORE, (name, then, now)
            assert now.below <= then.below, (name, then, now)
        limits = httpx.post(
            f"{up.prefect}/api/v2/concurrency_limits/filter", json={}, timeout=60
        ).json()
        assert limits and all(each["active_slots"] <= 1 for each in limits), limits
        assert ratchet(up.root, "audit", "verify", "--deep").code == 0
