"""A whole installation: real servers, two people, batches that come in and are approved in MLflow.

The tests of this module go on from one another, as a day does.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.ledger import views
from components.ledger.events import AliasMirrored, RegistryCalled
from components.operations import people
from components.service import supervisor
from components.workspace.root import Workspace, open_workspace
from components.workspace.secrets_file import read_secrets
from tests.command import ratchet
from tests.stream import PARAMS, batch, make_root

UP_SECONDS = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def soon(holds: Callable[[], Any], seconds: float = 90.0) -> Any:
    """Wait until something holds, and return it."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.3)
    return found


@dataclass
class Installation:
    """One that runs: its root, its addresses, and who may log in."""

    root: Path
    mlflow: str
    prefect: str
    process: subprocess.Popen[bytes]
    passwords: dict[str, str]

    @property
    def ws(self) -> Workspace:
        return open_workspace(self.root)

    def call(self, user: str, method: str, path: str, **said: str) -> httpx.Response:
        """Change something in MLflow as somebody, as its pages do."""
        address = f"{self.mlflow}/ajax-api/2.0/mlflow/{path}"
        login = (user, self.passwords[user])
        return httpx.request(method, address, json=said, auth=login, timeout=60)

    def tag(self, user: str, version: int, value: str) -> int:
        path, name = "model-versions/set-tag", "tiny"
        given = {"name": name, "version": str(version), "key": "approval", "value": value}
        return self.call(user, "POST", path, **given).status_code

    def champion(self) -> int | None:
        found = views.champion(self.ws.ledger)
        return found.version if found else None

    def held(self) -> list[int]:
        return [each.version for each in views.versions(self.ws.ledger, status="held")]

    def pid(self, name: str) -> int:
        return next(each.pid for each in supervisor.statuses(self.ws.mlruns) if each.name == name)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Start an installation in which every promotion waits for a person."""
    ports = free_port(), free_port()
    service = f"service: {{mlflow_port: {ports[0]}, prefect_port: {ports[1]}}}"
    params = f"{PARAMS}\ngate: {{approval: always}}\n{service}\n"
    root = make_root(tmp_path_factory.mktemp("up") / "root", params)
    log = root.parent / "up.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "components.cli.main", "--root", str(root), "up"],
            stdout=file,
            stderr=file,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            start_new_session=True,
        )
    made = Installation(root, *(f"http://127.0.0.1:{port}" for port in ports), process, {})
    try:
        soon(
            lambda: process.poll() is not None or b"Ctrl-C ends it" in log.read_bytes(), UP_SECONDS
        )
        assert process.poll() is None, log.read_text()
        for name, role in (("ann", "approver"), ("ben", "approver"), ("vera", "viewer")):
            made.passwords[name] = people.enroll(made.ws, name, [role]).password or ""
        made.passwords["admin"] = read_secrets(made.ws.mlruns).admin_password
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_everything_answers_and_a_second_one_is_refused(up: Installation) -> None:
    shown = ratchet(up.root, "up", "--status")
    assert shown.code == 0 and up.mlflow in shown.out and up.prefect in shown.out, shown.out
    assert "worker of tiny" in shown.out and "answers" in shown.out
    again = ratchet(up.root, "up")
    assert again.code == 2 and "is running in" in again.err
    unknown = httpx.get(f"{up.mlflow}/api/2.0/mlflow/registered-models/search", timeout=60)
    assert unknown.status_code == 401


def test_a_file_in_data_incoming_becomes_a_version_that_an_approver_lets_in(
    up: Installation,
) -> None:
    batch(up.root / "data" / "incoming" / "mood" / "b1.jsonl", 1)
    assert soon(up.held) == [1]
    soon(lambda: up.ws.registry.versions()[0].tags.get("approval") == "pending")
    assert up.tag("vera", 1, "approved") == 403
    assert up.tag("admin", 1, "approved") == 403
    assert up.tag("ann", 1, "fine by me") == 403
    clicked = time.monotonic()
    assert up.tag("ann", 1, "approved: read them all") == 200
    assert soon(up.champion) == 1
    assert time.monotonic() - clicked < 30
    assert views.pointer_history(up.ws.ledger)[-1].reason == "approved: read them all"
    calls = [each.payload for each in views.told(up.ws.ledger, RegistryCalled)]
    assert [(each.user, each.status) for each in calls] == [
        ("vera", 403), ("admin", 403), ("ann", 403), ("ann", 200),
    ]  # fmt: skip


def test_a_batch_that_prefect_is_told_of_comes_in_and_may_be_rejected(up: Installation) -> None:
    sent = batch(up.root.parent / "sent" / "b2.jsonl", 2)
    deployment = httpx.get(f"{up.prefect}/api/deployments/name/arrive/tiny", timeout=60).json()
    given = {"root": str(up.root), "source": str(sent), "task": "mood"}
    made = httpx.post(
        f"{up.prefect}/api/deployments/{deployment['id']}/create_flow_run",
        json={"parameters": given},
        timeout=60,
    )
    assert made.status_code == 201
    assert soon(up.held, 180) == [2]
    assert up.tag("ben", 2, "rejected: wrong source") == 200
    soon(lambda: not up.held())
    version = views.version(up.ws.ledger, 2)
    assert version is not None and version.status == "rejected" and up.champion() == 1


def test_an_alias_is_refused_through_the_server_and_put_back_past_it(up: Installation) -> None:
    for user in ("ann", "admin"):
        moved = up.call(
            user, "POST", "registered-models/alias", name="tiny", version="2", alias="champion"
        )
        assert moved.status_code == 403, user
    with closing(sqlite3.connect(up.ws.mlruns / "mlflow.db", timeout=30)) as database, database:
        database.execute("UPDATE registered_model_aliases SET version = 2")
    soon(lambda: up.ws.registry.alias("champion") == 1)
    put_back = views.told(up.ws.ledger, AliasMirrored)[-1].payload
    assert (put_back.alias, put_back.version, put_back.found) == ("champion", 1, 2)


def test_what_is_killed_comes_back(up: Installation) -> None:
    before = {name: up.pid(name) for name in ("mlflow", "worker of tiny")}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    batch(up.root / "data" / "incoming" / "mood" / "b3.jsonl", 3)
    assert soon(up.held, 180) == [3]
    assert all(up.pid(name) != pid for name, pid in before.items())
    soon(lambda: ratchet(up.root, "up", "--status").code == 0)
    assert up.tag("ben", 3, "approved") == 200
    assert soon(lambda: up.champion() == 3)


def test_down_ends_everything(up: Installation) -> None:
    pids = [each.pid for each in supervisor.statuses(up.ws.mlruns)]
    done = ratchet(up.root, "down", "--json")
    assert done.facts == {"ended": True}
    assert up.process.wait(60) == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert ratchet(up.root, "up", "--status").code == 1
    assert ratchet(up.root, "audit", "verify", "--deep").code == 0
