"""A real installation for tests: `ratchet up` in its own process, and people who may log in."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from components.ledger import views
from components.operations import people
from components.service import supervisor
from components.workspace.root import Workspace, open_workspace
from components.workspace.secrets_file import read_secrets
from tests.stream import PARAMS, copied, make_root

UP_SECONDS = 180.0
PEOPLE = (("ann", "approver"), ("ben", "approver"), ("lea", "labeller"), ("vera", "viewer"))


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

    def tag_of(self, version: int) -> str | None:
        found = self.ws.registry.version(version)
        return found.tags.get("approval") if found else None

    def experiment(self, name: str) -> int:
        """Return the number of an experiment."""
        with closing(sqlite3.connect(self.ws.mlruns / "mlflow.db")) as db:
            rows = db.execute("select experiment_id from experiments where name = ?", (name,))
            return int(rows.fetchone()[0])

    def cards(self, experiment: str) -> dict[str, str]:
        """Return what people are asked in an experiment and have not answered: trace -> text."""
        with closing(sqlite3.connect(self.ws.mlruns / "mlflow.db")) as db:
            rows = db.execute(
                "select i.item_id, t.request_preview from review_queue_items i "
                "join trace_info t on t.request_id = i.item_id "
                "where i.status = 'pending' and t.experiment_id = ?",
                (self.experiment(experiment),),
            )
            return dict(rows.fetchall())

    def pid(self, name: str) -> int:
        return next(each.pid for each in supervisor.statuses(self.ws.mlruns) if each.name == name)


def other_root(home: Path, name: str) -> Path:
    """Make another root, whose model has this name and is kept in the same MLflow."""
    database = f"sqlite:///{home}/mlruns/mlflow.db"
    registry = f"registry: {{tracking_uri: '{database}', experiment: {name}}}"
    params = PARAMS.replace("name: tiny", f"name: {name}")
    return make_root(home.parent / name, f"{params}\ngate: {{approval: always}}\n{registry}\n")


@contextmanager
def installed(
    folder: Path, grown: Path | None = None, others: Sequence[str] = ()
) -> Iterator[Installation]:
    """Start an installation in `folder` in which every promotion waits for a person.

    Each minute, people are reminded of what waits; a proxy may say who they are. `grown`: a root
    that is copied there, with its own gate; else it is a new one. `others`: the models of more
    roots, in folders of that name beside it.
    """
    ports = free_port(), free_port()
    times = "remind_at: '* * * * *', user_header: X-Forwarded-Email"
    service = f"service: {{mlflow_port: {ports[0]}, prefect_port: {ports[1]}, {times}}}"
    if grown is None:
        root = make_root(folder / "root", f"{PARAMS}\ngate: {{approval: always}}\n{service}\n")
    else:
        root = copied(grown, folder / "root")
        with (root / "params.yaml").open("a", encoding="utf-8") as file:
            file.write(f"\n{service}\n")
    more = [other_root(root, name) for name in others]
    log = root.parent / "up.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "components.cli.main",
                "--root",
                str(root),
                "up",
                *map(str, more),
            ],
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
        for name, role in PEOPLE:
            made.passwords[name] = people.enroll(made.ws, name, [role]).password or ""
        made.passwords["admin"] = read_secrets(made.ws.mlruns).admin_password
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
