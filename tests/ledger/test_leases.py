"""One holder at a time; a dead one is overtaken at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from components.clock import system_clock
from components.errors import Retryable
from components.ledger import leases
from components.ledger.leases import is_dead, myself
from components.ledger.ledger import Ledger
from tests.ledger.story import Ticking, raw

SPAWN = multiprocessing.get_context("spawn")


def hold(path: Path, ready: object) -> None:
    with Ledger(path, system_clock).lease("model", 0):
        ready.set()  # type: ignore[attr-defined]
        threading.Event().wait(60)


@contextmanager
def holder(path: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    ready = SPAWN.Event()
    process = SPAWN.Process(target=hold, args=(path, ready))
    process.start()
    assert ready.wait(30)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def test_a_lease_of_a_killed_process_is_taken_over_at_once(path: Path) -> None:
    ledger = Ledger(path, system_clock)
    with holder(path) as process:
        with pytest.raises(Retryable, match=f":{process.pid}:"), ledger.lease("model", 0):
            pass
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with ledger.lease("model", 0) as lease:  # its parent has not buried it yet
            assert lease.token == 2
        process.join()
        with ledger.lease("model", 0) as lease:
            assert lease.token == 3


def test_a_lease_passes_on_and_its_token_only_grows(ledger: Ledger) -> None:
    tokens = []
    for _ in range(3):
        with ledger.lease("model", 0) as lease:
            tokens.append(lease.token)
        with ledger.lease("other", 0) as other:
            assert other.token == len(tokens)
    assert tokens == [1, 2, 3]


def test_a_lease_is_given_back_when_the_work_fails(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), ledger.lease("model", 0):
        raise ZeroDivisionError
    with ledger.lease("model", 0) as lease:
        assert lease.token == 2


def test_who_waits_is_told_once_who_holds_the_lease(
    ledger: Ledger, path: Path, clock: Ticking
) -> None:
    told: list[str] = []
    with ledger.lease("model", 0):
        second = Ledger(path, clock)
        with pytest.raises(Retryable, match="is changing `model`"):
            with second.lease("model", 0.5, told.append):
                pass
    assert told == [myself()]


def test_who_waits_long_enough_gets_it(path: Path) -> None:
    ledger = Ledger(path, system_clock)
    release = threading.Event()

    def work() -> None:
        with Ledger(path, system_clock).lease("model", 0):
            release.wait(30)

    other = threading.Thread(target=work)
    other.start()
    while not ledger.query(leases._TABLE.select()):
        threading.Event().wait(0.01)
    with ledger.lease("model", 30, lambda _: release.set()) as lease:
        assert lease.token == 2
    other.join()


def test_a_lease_of_another_machine_is_free_only_when_its_time_ran_out(
    ledger: Ledger, path: Path, clock: Ticking
) -> None:
    with ledger.lease("model", 0):
        pass
    with raw(path) as connection:
        end = (clock.now + timedelta(seconds=leases.LEASE_SECONDS)).isoformat()
        connection.execute("UPDATE leases SET holder = 'elsewhere:1:1', expires = ?", [end])
    with pytest.raises(Retryable, match="elsewhere"), ledger.lease("model", 0):
        pass
    clock.now += timedelta(seconds=leases.LEASE_SECONDS)
    with ledger.lease("model", 0) as lease:
        assert lease.token == 2


def test_a_lease_is_renewed_while_the_work_lasts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(path, system_clock)
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.2)

    def expires() -> str:
        with raw(path) as connection:
            (found,) = connection.execute("SELECT expires FROM leases").fetchone()
        return str(found)

    with ledger.lease("model", 0):
        first = expires()
        for _ in range(200):
            if expires() > first:
                break
            threading.Event().wait(0.02)
        assert expires() > first
    assert expires() == ""


def test_a_renewal_that_fails_stops_neither_the_work_nor_later_renewals(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.1)
    calls, enough = [], threading.Event()

    def renewed() -> None:
        calls.append(1)
        if len(calls) > 2:
            enough.set()
        raise Retryable("locked", "wait")

    with leases.Renewal(renewed):
        assert enough.wait(10)


@pytest.mark.parametrize(
    ("holder", "dead"),
    [
        (myself(), False),
        (f"{myself()}0", True),  # the same pid, begun at another time
        (myself().rsplit(":", 1)[0] + ":", False),  # a system that does not say when
        (f"{os.uname().nodename}:{2**22 + 1}:5", True),
        (f"{os.uname().nodename}:{2**70}:5", True),
        ("elsewhere:1:1", False),
        ("anything", False),
        (f"{os.uname().nodename}:x:y", False),
    ],
    ids=range(8),
)
def test_only_a_process_of_this_machine_that_no_longer_runs_is_dead(
    holder: str, dead: bool
) -> None:
    assert is_dead(holder) is dead
