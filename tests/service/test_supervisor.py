"""What runs is kept running, and nothing that was started stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import psutil
import pytest

from components.errors import ConfigError, NeedsHuman, Retryable
from components.service import supervisor
from components.service.supervisor import Child, Supervisor

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True);"
    " time.sleep(600)",
)


def soon(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.05)


class Started:
    """A supervisor in a thread, and what it said."""

    def __init__(self, folder: Path, *children: Child) -> None:
        self.said, self.ready, self.folder = list[str](), list[bool](), folder
        self.supervisor = Supervisor(folder, children, {"mlflow": "http://there"})
        self.faults = list[BaseException]()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.supervisor.run(self.said.append, lambda: self.ready.append(True))
        except BaseException as fault:
            self.faults.append(fault)

    def pids(self) -> list[int]:
        return [each.pid for each in supervisor.statuses(self.folder)]

    def end(self, times: int = 1) -> None:
        for _ in range(times):
            self.supervisor.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Start supervisors that are ended with the test."""
    made = list[Started]()

    def start(*children: Child) -> Started:
        made.append(Started(tmp_path, *children))
        return made[-1]

    yield start
    for each in made:
        each.end(2)


def child(tmp_path: Path, name: str, command: tuple[str, ...] = SLEEP, **more: object) -> Child:
    return Child(name, command, tmp_path / "logs" / f"{name}.log", **more)  # type: ignore[arg-type]


def test_what_ended_is_started_again_and_all_end_together(
    tmp_path: Path, started: Callable[..., Started]
) -> None:
    run = started(child(tmp_path, "one"), child(tmp_path, "two"))
    soon(lambda: run.ready)
    first, second = run.pids()
    os.kill(first, signal.SIGKILL)
    soon(lambda: len(run.pids()) == 2 and run.pids()[0] != first)
    assert run.pids()[1] == second
    assert any(line.startswith("one ended (code -9, see ") for line in run.said)
    assert any(line.endswith("one.log); it starts again in 1 s") for line in run.said)
    state = supervisor.state(tmp_path)
    assert state is not None and state["mlflow"] == "http://there"
    pids = run.pids()
    run.end()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert supervisor.statuses(tmp_path) == [] and not supervisor.state_path(tmp_path).exists()


def test_one_that_never_comes_up_ends_all_and_shows_its_log(
    tmp_path: Path, started: Callable[..., Started]
) -> None:
    fails = (sys.executable, "-c", "raise SystemExit('no such thing')")
    run = started(
        child(tmp_path, "sound"), child(tmp_path, "bad", fails, health="http://x.invalid")
    )
    soon(lambda: run.faults)
    [fault] = run.faults
    assert isinstance(fault, Retryable)
    assert "bad did not start" in fault.message and "no such thing" in fault.message
    assert not supervisor.state_path(tmp_path).exists()


def test_there_is_one_supervisor_a_folder(tmp_path: Path, started: Callable[..., Started]) -> None:
    run = started(child(tmp_path, "one"))
    soon(lambda: run.ready)
    with pytest.raises(ConfigError, match=r"`ratchet up` is running in .* already"):
        Supervisor(tmp_path, [], {}).run(print, lambda: None)
    with pytest.raises(ConfigError, match="running"):
        supervisor.require_idle(tmp_path)


def test_a_child_may_take_its_time_to_end_and_is_killed_at_the_second_call(
    tmp_path: Path, started: Callable[..., Started]
) -> None:
    slow = child(tmp_path, "slow", STUBBORN, stop_seconds=None)
    run = started(slow)
    soon(lambda: slow.log.exists() and slow.log.read_text())
    [pid] = run.pids()
    run.supervisor.stop()
    time.sleep(1.5)
    assert psutil.pid_exists(pid)
    run.end()
    assert not psutil.pid_exists(pid)


def test_a_child_with_a_limit_is_killed_when_it_is_over(
    tmp_path: Path, started: Callable[..., Started]
) -> None:
    slow = child(tmp_path, "slow", STUBBORN, stop_seconds=1.0)
    run = started(slow)
    soon(lambda: slow.log.exists() and slow.log.read_text())
    [pid] = run.pids()
    run.end()
    assert not psutil.pid_exists(pid)


def test_the_children_of_a_killed_supervisor_are_ended_by_the_next_one(
    tmp_path: Path, started: Callable[..., Started]
) -> None:
    program = (
        "import sys; from pathlib import Path; from components.service.supervisor import *\n"
        "folder = Path(sys.argv[1])\n"
        "command = (sys.executable, '-c', 'import time; time.sleep(600)')\n"
        "Supervisor(folder, [Child('one', command, folder / 'one.log')], {}).run(print, print)"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
    soon(lambda: supervisor.statuses(tmp_path))
    [orphan] = [each.pid for each in supervisor.statuses(tmp_path)]
    other.kill()
    other.wait()
    assert supervisor.state(tmp_path) is None
    assert [each.pid for each in supervisor.statuses(tmp_path)] == [orphan], "it is still named"
    run = started(child(tmp_path, "one"))
    soon(lambda: run.ready)
    soon(lambda: not psutil.pid_exists(orphan) or _is_zombie(orphan))


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def test_a_long_log_is_put_aside(
    tmp_path: Path, started: Callable[..., Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOG_BYTES", 10)
    one = child(tmp_path, "one", (sys.executable, "-c", "print('new', flush=True)"))
    one.log.parent.mkdir()
    one.log.write_text("what an earlier run said\n")
    started(one)
    soon(lambda: one.log.exists() and "new" in one.log.read_text())
    assert one.log.with_suffix(".log.1").read_text() == "what an earlier run said\n"


def test_a_port_that_is_taken_is_named_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NeedsHuman, match=rf"`service.mlflow_port`: 127.0.0.1:{port} can't"):
            supervisor.require_free("127.0.0.1", {"mlflow_port": port})


def test_what_a_killed_child_had_started_is_ended_before_it_starts_again(
    tmp_path: Path, started: Callable[..., Started]
) -> None:
    """Fault: MLflow's own worker kept the port, and the server that came after could not bind."""
    parent = (
        sys.executable,
        "-c",
        "import subprocess, sys, time\n"
        "code = 'import time; time.sleep(600)'\n"
        "print(subprocess.Popen([sys.executable, '-c', code]).pid, flush=True); time.sleep(600)",
    )
    one = child(tmp_path, "one", parent)
    run = started(one)
    soon(lambda: one.log.exists() and one.log.read_text().split())
    [grandchild] = map(int, one.log.read_text().split())
    os.kill(run.pids()[0], signal.SIGKILL)
    soon(lambda: len(one.log.read_text().split()) == 2)
    assert _is_zombie(grandchild)
    last = int(one.log.read_text().split()[1])
    run.end()
    soon(lambda: _is_zombie(last))
