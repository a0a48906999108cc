"""Prefect's temporary server: never left behind, at home in the root, bounded in size."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from components.cli.options import NO_EVENTS
from flows.prefect_home import is_own
from flows.temporary_server import STARTED_BY, end_abandoned
from tests.command import REPOSITORY, finish, start

REACH = "from flows.temporary_server import reach_api; reach_api()"
FRESH = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180"}


def program(text: str, home: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a Python program with a Prefect home of its own."""
    environment["PREFECT_LOGGING_LEVEL"] = "CRITICAL"
    return subprocess.Popen(
        [sys.executable, "-c", text],
        cwd=REPOSITORY,
        env={**os.environ, "PREFECT_HOME": str(home), **FRESH, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_start_killed_before_the_server_answers_leaves_none_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    starter = program(REACH, home)
    while not (servers := [each for each in children(starter) if "uvicorn" in each.cmdline()]):
        assert starter.poll() is None
        time.sleep(0.005)
    [server] = servers
    end_abandoned(home)
    assert server.is_running()  # its starter lives
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert server.is_running()
    end_abandoned(tmp_path / "another")
    assert server.is_running()
    end_abandoned(home)
    psutil.wait_procs([server], timeout=30)
    assert not server.is_running()


def children(starter: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes that were started by this one and are still there."""
    found = psutil.Process(starter.pid).children()
    return [each for each in found if each.is_running() and each.status() != "zombie"]


def await_sign(server: psutil.Process) -> None:
    """Wait out the instant between fork and exec, in which the process has no sign yet."""
    while STARTED_BY not in server.environ():
        time.sleep(0.005)


def test_a_server_that_is_not_up_in_time_is_asked_for_again(tmp_path: Path) -> None:
    late = program(
        "from components.errors import Retryable\n"
        f"try:\n    {REACH}\nexcept Retryable as error:\n    print(error)",
        tmp_path / "home",
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="0",
    )
    said, _ = late.communicate(timeout=120)
    assert "temporary server did not start" in said and "run the same command again" in said


def test_another_process_with_the_number_of_the_starter_does_not_pass_for_it(
    tmp_path: Path,
) -> None:
    starter = f"{socket.gethostname()}:{os.getpid()}:12"
    sign = json.dumps({"starter": starter, "home": str(tmp_path)})
    server = program("import time; time.sleep(60)", tmp_path, **{STARTED_BY: sign})
    await_sign(psutil.Process(server.pid))
    end_abandoned(tmp_path)
    assert server.wait(30) == -signal.SIGTERM


@pytest.mark.parametrize("odd", ["", "{", "[]", "{}", '{"home": "x"}', "[]x"])
def test_an_odd_sign_is_nobodys(tmp_path: Path, odd: str) -> None:
    server = program("import time; time.sleep(60)", tmp_path, **{STARTED_BY: odd})
    try:
        await_sign(psutil.Process(server.pid))
        end_abandoned(tmp_path)
        assert server.poll() is None
    finally:
        server.kill()
        server.wait()


def test_only_a_home_in_a_root_is_pruned() -> None:
    assert is_own(Path("/x/mlruns/prefect"))
    assert not is_own(Path("/x/.prefect")) and not is_own(Path("/x/prefect"))


MANY = """
import sys
from prefect import flow, task
from flows import prefect_home
from flows.temporary_server import reach_api, without_heartbeat
from pathlib import Path
from prefect.settings import PREFECT_HOME

@task
def step(): pass

@flow
def run():
    for _ in range(4): step()

reach_api()
sizes = []
with without_heartbeat():
    for round in range(6):
        for _ in range(15): run()
        prefect_home.prune(keep=10)
        sizes.append(sum(f.stat().st_size for f in PREFECT_HOME.value().glob("prefect.db")))
print(*sizes)
"""


@pytest.mark.slow
def test_old_flow_runs_go_with_all_that_hangs_on_them(tmp_path: Path) -> None:
    home = tmp_path / "mlruns" / "prefect"
    many = program(MANY, home, **NO_EVENTS)
    said, _ = many.communicate(timeout=500)
    assert many.returncode == 0
    first, *_, last = map(int, said.split())
    print(said)
    assert last < 1.5 * first + 1_000_000  # 90 runs, six times what is kept
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        count = {
            name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in ("flow_run", "task_run", "flow_run_state", "task_run_state")
        }
    assert (count["flow_run"], count["task_run"]) == (10, 40)
    assert count["flow_run_state"] <= 40
    assert count["task_run_state"] <= 160


@pytest.mark.slow
def test_a_root_has_its_own_prefect_that_nobody_else_reads(grown: Path) -> None:
    names = {name: value for name, value in os.environ.items() if name != "PREFECT_HOME"}
    process = subprocess.Popen(
        [sys.executable, "-m", "components.cli.main", "--root", str(grown), "watch", "--json"],
        cwd=REPOSITORY, env=names, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    ran = finish(process)
    assert (ran.code, ran.err) == (0, "")
    home = grown / "mlruns" / "prefect"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        assert database.execute("SELECT count(*) FROM flow_run").fetchone() == (1,)
    assert not (Path(os.environ["HOME"]) / ".prefect" / "prefect.db").exists()
    named = finish(start(grown, "watch", "--json", PREFECT_HOME=str(grown / "mine")))
    assert named.code == 0 and (grown / "mine" / "prefect.db").exists()
