"""Prefect's temporary server: never left behind, at home in the root, bounded in size."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from components.cli.options import NO_EVENTS
from flows.prefect_home import is_own
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
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_start_killed_before_the_server_answers_leaves_none_behind(tmp_path: Path) -> None:
    starter = program(REACH, tmp_path / "home")
    server = await_server(starter)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    psutil.wait_procs([server], timeout=60)
    assert not server.is_running()


def await_server(starter: subprocess.Popen[str]) -> psutil.Process:
    """Return the server that a process starts, from its first instant on."""
    while True:
        for each in psutil.Process(starter.pid).children():
            with suppress(psutil.Error):
                if "flows.server_process" in each.cmdline():
                    return each
        assert starter.poll() is None
        time.sleep(0.005)


OUTLIVES = f"""
import signal, sys
from flows.temporary_server import at_own_server
for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, signal.SIG_IGN)
{REACH}
print("up", flush=True)
sys.stdin.readline()
from prefect.client.orchestration import get_client
with at_own_server(), get_client(sync_client=True) as client:
    print(client.api_healthcheck(), flush=True)
"""


def test_signals_to_all_processes_end_the_server_only_with_its_starter(tmp_path: Path) -> None:
    starter = program(OUTLIVES, tmp_path / "home")
    assert starter.stdin is not None and starter.stdout is not None
    assert starter.stdout.readline() == "up\n"
    server = await_server(starter)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.killpg(starter.pid, number)  # a terminal, `timeout`
        server.send_signal(number)  # systemd reaches every process of a service
    time.sleep(1)
    said, _ = starter.communicate("\n", timeout=60)
    assert (said, starter.returncode) == ("None\n", 0)
    psutil.wait_procs([server], timeout=10)
    assert not server.is_running()


DIES = f"""
import os, signal, sys
from flows.server_process import server
from flows.temporary_server import at_own_server, revive
from prefect.client.orchestration import get_client
{REACH}
before = server.url
os.kill(server.pid, signal.SIGKILL)
while server.pid is not None: pass
with at_own_server():
    revive()
    with get_client(sync_client=True) as client:
        print(client.api_healthcheck(), server.url == before, end=" ")
print("prefect.server.api.server" in sys.modules)
"""


def test_a_server_that_died_is_started_again_at_its_address(tmp_path: Path) -> None:
    said, _ = program(DIES, tmp_path / "home").communicate(timeout=240)
    assert said == "None True False\n"  # and the process that starts one never imports it


def test_a_server_that_is_not_up_in_time_is_asked_for_again(tmp_path: Path) -> None:
    late = program(
        "from components.errors import Retryable\n"
        f"try:\n    {REACH}\nexcept Retryable as error:\n    print(error)",
        tmp_path / "home",
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="0",
    )
    said, _ = late.communicate(timeout=120)
    assert "temporary server did not start" in said and "run the same command again" in said


def test_only_a_home_in_a_root_is_pruned() -> None:
    assert is_own(Path("/x/mlruns/prefect"))
    assert not is_own(Path("/x/.prefect")) and not is_own(Path("/x/prefect"))


MANY = """
import sys
from prefect import flow, task
from flows import prefect_home
from flows.temporary_server import at_own_server, reach_api
from pathlib import Path
from prefect.settings import PREFECT_HOME

@task
def step(): pass

@flow
def run():
    for _ in range(4): step()

reach_api()
sizes = []
with at_own_server():
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
