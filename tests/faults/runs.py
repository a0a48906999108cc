"""Several runs side by side, each in a process of its own that forks the commands."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run is (seconds or operations), and what is special about it.

    without: operations, faults, kinds of files and laws (by name) that are left out.
    """

    folder: Path
    seconds: float | None = None
    operations: int | None = None
    without: frozenset[str] = frozenset()
    bug: str | None = None
    replay: Path | None = None


EMPTY: dict[str, Any] = {
    **{name: {} for name in ("operations", "struck", "told", "untold")},
    **{name: 0 for name in ("number", "seconds", "commands")},
}
"""The figures of a run that the simulator itself broke off."""


def run_all(jobs: list[tuple[Plan, int]], folder: Path, side_by_side: int) -> list[dict[str, Any]]:
    """Warm up once, then run each (plan, seed), some at a time; return what each came to."""
    from tests.faults import zygote

    os.environ["OMP_NUM_THREADS"] = "1"
    zygote.warm_up(folder)
    waiting, running = list(jobs), set[int]()
    serves = any("fresh process" not in plan.without for plan, _ in jobs)
    with _prefect(folder / "prefect", wanted=serves) as server:
        while waiting or running:
            while waiting and len(running) < side_by_side:
                running.add(_fork(*waiting.pop(0), server))
            running.discard(os.wait()[0])
    return [json.loads(_result(*job).read_text(encoding="utf-8")) for job in jobs]


def _result(plan: Plan, seed: int) -> Path:
    return plan.folder / f"run-{seed}.json"


def _fork(plan: Plan, seed: int, server: dict[str, str]) -> int:
    """Start a run in a process of its own, with its bug planted there."""
    sys.stdout.flush()
    plan.folder.mkdir(parents=True, exist_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            _result(plan, seed).write_text(json.dumps(one_run(plan, seed, server)))
        except BaseException:
            fault = f"simulator: {traceback.format_exc()[-1500:]}"
            print(fault)
            _result(plan, seed).write_text(json.dumps(EMPTY | {"seed": seed, "wrong": [fault]}))
        finally:
            with suppress(OSError):
                sys.stdout.flush()
            os._exit(0)
    return pid


def one_run(plan: Plan, seed: int, server: dict[str, str]) -> dict[str, Any]:
    """Run one seed to its end, or to the first law that is broken."""
    from tests.faults import bugs
    from tests.faults.operations import choose
    from tests.faults.simulation import Simulation

    if plan.bug is not None:
        bugs.plant(plan.bug)
    place, recorded = plan.folder / f"seed-{seed}", _recorded(plan.replay)
    sim = Simulation(seed, place, server, recorded, plan.without)
    sim.begin_well()
    began, wrong = time.monotonic(), list[str]()
    while not wrong and not _is_over(plan, sim.number, time.monotonic() - began):
        wrong = _counted(plan, sim.step(*choose(seed, sim.number + 1, plan.without)))
    if not wrong:
        wrong = _counted(plan, sim.finish())
    found = {
        "seed": seed,
        "number": sim.number,
        "seconds": round(time.monotonic() - began, 1),
        "wrong": wrong,
        **sim.counts.to_json(),
    }
    _tell(plan, found, sim.folder)
    return found


def _counted(plan: Plan, wrong: list[str]) -> list[str]:
    """Return the broken laws but those that the plan leaves out."""
    return [each for each in wrong if each.partition(":")[0] not in plan.without]


def _is_over(plan: Plan, number: int, passed: float) -> bool:
    by_time = plan.seconds is not None and passed >= plan.seconds
    return by_time or (plan.operations is not None and number >= plan.operations)


def _tell(plan: Plan, found: dict[str, Any], folder: Path) -> None:
    """Print what a run came to, and how to see it again."""
    seed, number = found["seed"], found["number"]
    print(f"seed {seed}: {number} operations, {found['commands']} commands in {found['seconds']} s")
    for kind, count in sorted(found["untold"].items()):
        print(f"  {kind} ({count} times)")
    for law in found["wrong"]:
        print(f"  BROKEN at operation {number}: {law}")
    if found["wrong"]:
        extra = f" --bug {plan.bug}" if plan.bug else ""
        extra += f" --without {','.join(sorted(plan.without))!r}" if plan.without else ""
        print(
            f"  again: python -m tests.faults --seed {seed} --operations {number}{extra}"
            f" --replay {folder / 'log.jsonl'}\n  the root: {folder / 'root'}"
        )


def _recorded(log: Path | None) -> dict[int, int]:
    """Return at which point each signal struck that a run sent at an instant."""
    if log is None:
        return {}
    found = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        step = json.loads(line)
        for command in step["commands"]:
            if command["struck"].startswith("after point "):
                found[step["number"]] = int(command["struck"].split()[2])
    return found


@contextmanager
def _prefect(home: Path, wanted: bool) -> Iterator[dict[str, str]]:
    """Serve Prefect for the commands that run as processes of their own."""
    if not wanted:
        yield {}
        return
    from tests.server import serve

    home.mkdir(parents=True, exist_ok=True)
    with serve(home) as server:
        names = ("PREFECT_HOME", "PREFECT_API_URL")
        yield {name: server.environment[name] for name in names}
