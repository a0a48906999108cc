"""The plan of a run: the same seed gives the same operations, files and faults."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.faults.arrivals import KINDS, Maker
from tests.faults.damages import kind_of
from tests.faults.operations import OPERATIONS, choose, some_fault
from tests.faults.points import Fault, Meter, arm
from tests.faults.simulation import Simulation


def plan(seed: int) -> list[object]:
    """Return what a run of 60 operations would do, apart from what the root decides."""
    found: list[object] = []
    nobody = SimpleNamespace(writers=[], without=frozenset())
    for number in range(1, 61):
        rng = random.Random(f"{seed}:{number}")
        found.append(choose(seed, number, frozenset())[0])
        found.append(Maker(seed, number, rng).any([]))
        found.append(some_fault(nobody, rng, 500))  # type: ignore[arg-type]
    return found


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


def test_what_is_left_out_is_never_chosen() -> None:
    without = frozenset(OPERATIONS) - {"drop", "look"}
    assert {choose(1, number, without)[0] for number in range(50)} == {"drop", "look"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_is_the_same_for_the_same_seed(kind: str) -> None:
    def made() -> object:
        make = Maker(1, 1, random.Random(5))
        return KINDS[kind][1](make, make.file("sound", b'{"text": "u1x1x1"}\n' * 30))

    assert made() == made()


def test_a_kind_of_file_is_its_name_without_digests() -> None:
    digest = "0f39d08cc3f9bb3b31cffc07a14cc3f6570276ab65b98737e7165e4b3c718ea7"
    assert kind_of(f"data/batches/0f/{digest}/raw.jsonl") == "data/batches/*/*/raw.jsonl"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("kill", at=2), -9),
        (Fault("terminate", at=2), -15),
        (Fault("full", at=2), 3),
        (Fault("unwritable", at=2), 3),
        (Fault("unreadable", at=1), 3),
        (Fault("limit", size=10), 3),
        (Fault("kill", at=9), 0),
    ],
)
def test_a_fault_strikes_at_its_point(fault: Fault, code: int, tmp_path: Path) -> None:
    meter, pid = Meter(), os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            arm(tmp_path, fault, meter)
            (tmp_path / "first").write_text("x" * 50)
            (tmp_path / "second").write_text("x")
            (tmp_path / "first").read_text()
        except OSError:
            os._exit(3)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    assert (tmp_path / "second").exists() == (code == 0 or fault.kind == "unreadable")
    assert bool(meter.struck) == (code != 0 and fault.kind != "limit")


def test_a_clock_jumps_for_ratchet_and_for_its_libraries(tmp_path: Path) -> None:
    import time

    from components.clock import system_clock

    before, pid = system_clock(), os.fork()
    if pid == 0:
        arm(tmp_path, Fault("clock", seconds=3600), Meter())
        right = 3500 < (system_clock() - before).total_seconds() < 3700
        os._exit(0 if right and time.time() > before.timestamp() + 3500 else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_run_draws_each_operation_from_seed_and_number_alone(tmp_path: Path) -> None:
    drawn: list[float] = []

    def note(_sim: Simulation, rng: random.Random) -> object:
        from tests.faults.simulation import Done

        drawn.append(rng.random())
        return Done()

    for name in ("a", "b"):
        sim = Simulation(7, tmp_path / name)
        assert sim.step("note", note) == []
        assert sim.step("note", note) == []
    assert drawn[:2] == drawn[2:]
    assert drawn[0] != drawn[1]
