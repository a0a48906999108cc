"""Many files at once and two models, while the servers and a worker are killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing, suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest

from components.ledger import views
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.service.installation import Installation, installed, soon
from tests.stream import batch, rows

HALF_WRITTEN_SECONDS = 20.0
Span = tuple[datetime, datetime]


def write_slowly(file: Path, seed: int) -> None:
    """Write half of a batch, wait, and write the rest, as a slow `cp` does."""
    lines = [json.dumps(row) + "\n" for row in rows(seed)]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as out:
        out.writelines(lines[:60])
        out.flush()
        time.sleep(HALF_WRITTEN_SECONDS)
        out.writelines(lines[60:])


def kill(up: Installation, name: str) -> bool:
    """Kill a process; tell whether it was there: one that ended by itself is about to come back."""
    with suppress(ProcessLookupError):
        os.kill(up.pid(name), signal.SIGKILL)
        return True
    return False


def is_done(ws: Workspace, files: int) -> bool:
    arrivals = views.arrivals(ws.ledger)
    return len(arrivals) == files and not any(
        each.status in ("queued", "running") for each in arrivals
    )


def spans(ws: Workspace) -> list[Span]:
    """Return, batch by batch, from when its last run was started to when it was held."""
    with closing(sqlite3.connect(ws.mlruns / "ratchet.db")) as db:
        told = db.execute("select time, kind, payload from events order by seq").fetchall()
    begun, found = dict[str, datetime](), list[Span]()
    for when, kind, payload in told:
        moment, about = datetime.fromisoformat(when), json.loads(payload).get("batch")
        if kind == "batch.started":
            begun[about] = moment
        elif kind == "version.held":
            found.append((begun[about], moment))
    return found


@pytest.mark.parametrize("files", [7, pytest.param(50, marks=pytest.mark.slow)])
def test_files_are_taken_once_and_in_order_whatever_is_killed(tmp_path: Path, files: int) -> None:
    with installed(tmp_path, others=["other"]) as up:
        other = open_workspace(tmp_path / "other")
        half = up.root / "data" / "incoming" / "mood" / "half.jsonl"
        writer = Thread(target=write_slowly, args=(half, 1000))
        writer.start()
        for number in range(files - 1):
            batch(up.root / "data" / "incoming" / "mood" / f"b{number:02}.jsonl", number)
        for number in range(3):
            batch(other.root / "data" / "incoming" / "mood" / f"b{number:02}.jsonl", number)
        for name in ("prefect", "mlflow", "worker of tiny"):
            time.sleep(3.0)
            soon(lambda name=name: kill(up, name))
        writer.join()
        soon(lambda: is_done(other, 3), 180)
        soon(lambda: is_done(up.ws, files), 60 + 10 * files)
        arrivals, versions = views.arrivals(up.ws.ledger), views.versions(up.ws.ledger)
        wanted = {half.name, *(f"b{number:02}.jsonl" for number in range(files - 1))}
        assert {each.source for each in arrivals} == wanted
        trained = [each.batch for each in versions]
        assert trained == [each.batch for each in arrivals], "each once, in the order of arrival"
        assert not list((up.root / "data" / "incoming").rglob("*.jsonl"))
        mine, theirs = spans(up.ws), spans(other)
        assert any(a[0] < b[1] and b[0] < a[1] for a in mine for b in theirs), "side by side"
        for own in (mine, theirs):
            assert all(before[1] <= after[0] for before, after in pairwise(own))
        assert ratchet(up.root, "audit", "verify", "--deep").code == 0
        assert ratchet(other.root, "audit", "verify", "--deep").code == 0
