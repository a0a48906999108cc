"""The cost of a batch does not grow with what came before it: work is counted, not timed.

A root with two versions is aged: hundreds of versions are added to ledger and MLflow as if they
had been promoted. The same batch is settled in the young root and in the aged one; SQLite's own
steps, files opened and folders listed must be about the same.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from components.digest import bytes_digest
from components.ledger import views
from components.ledger.events import (
    BatchArrived,
    Payload,
    RegistrationDone,
    SplitMade,
    VersionPromoted,
)
from components.ledger.verify import verify
from components.pipeline import arrival
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.stream import batch

YEARS = 100
"""Versions that the aged root has more."""

LOOKED_AT = {"open": "files", "os.listdir": "folders", "os.scandir": "folders"}
STEPS = 10
_COUNTS: list[Counter[str]] = []


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _COUNTS and event in LOOKED_AT:
        _COUNTS[-1][LOOKED_AT[event]] += 1


def _step() -> int:
    if _COUNTS:
        _COUNTS[-1]["steps"] += STEPS
    return 0


sys.addaudithook(_listen)  # there is no way to take it off again; it only counts in `counted`


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count what is asked of databases that are opened in this block, and of the file system."""
    connect = sqlite3.connect

    def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_progress_handler(_step, STEPS)
        return connection

    _COUNTS.append(Counter())
    try:
        with mock.patch("sqlite3.connect", watched), mock.patch("sqlite3.dbapi2.connect", watched):
            yield _COUNTS[-1]
    finally:
        _COUNTS.pop()


def age(root: Path, years: int) -> None:
    """Add promoted versions, each with a batch of its own, to ledger and MLflow."""
    ws = open_workspace(root)
    champion = views.champion(ws.ledger)
    assert champion is not None
    with ws.ledger.lease(ws.settings.model.name, 10) as lease:
        for number in range(champion.version + 1, champion.version + years + 1):
            for said in one_year(champion, number):
                ws.ledger.append(said, lease)
    _copy_versions(root / "mlruns" / "mlflow.db", champion.version, years)
    ws.registry.set_alias("champion", champion.version + years)


def one_year(champion: views.Version, number: int) -> list[Payload]:
    """Return the events of one more batch that was promoted."""
    made = bytes_digest(f"batch {number}".encode())
    last = [f"{'f' * 32}{number:016}{n:016}" for n in range(50)]  # no exam of 20 has them
    rows = [(item, item, "mood") for item in last]
    return [
        BatchArrived(batch=made, source="a", task="mood", suffix=".jsonl"),
        SplitMade(batch=made, train=rows[10:], holdout=rows[:10], blocked=0),
        RegistrationDone(
            key=made,
            batch=made,
            bundle=champion.bundle,
            parent=number - 1,
            evidence=champion.evidence,
            headline="",
            version=number,
            run="r",
        ),
        VersionPromoted(
            version=number,
            batch=made,
            parent=number - 1,
            anchors=champion.anchors,
            exams={"mood": "mood"},
            reason="",
        ),
    ]


def _copy_versions(path: Path, version: int, years: int) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for table in ("model_versions", "model_version_tags"):
            found = database.execute(f"SELECT * FROM {table} WHERE version = ?", (version,))
            names = [column[0] for column in found.description]
            at, marks = names.index("version"), ", ".join("?" * len(names))
            rows = found.fetchall()
            for number in range(version + 1, version + years + 1):
                copies = [(*row[:at], number, *row[at + 1 :]) for row in rows]
                database.executemany(f"INSERT INTO {table} VALUES ({marks})", copies)


def work_of_a_batch(root: Path) -> Counter[str]:
    """Settle the same batch after a first one, which pays for what a process does once."""
    with counted() as counts:
        ws = open_workspace(root)
        _settle(ws, 3)
        counts.clear()
        _settle(ws, 4)
        return counts.copy()


def _settle(ws: Workspace, seed: int) -> None:
    arrived = arrival.arrive(ws, batch(ws.root / f"b{seed}.jsonl", seed), "mood")
    assert run_batch(ws, arrived.batch).version is not None


@pytest.mark.slow
def test_a_batch_costs_the_same_however_many_came_before_it(grown: Path, tmp_path: Path) -> None:
    params = grown / "params.yaml"
    params.write_text(
        params.read_text().replace("holdout: {", "holdout: {max_items: 20, enough_items: 20, ")
    )
    old = Path(shutil.copytree(grown, tmp_path / "old"))
    age(old, YEARS)
    young_work, old_work = work_of_a_batch(grown), work_of_a_batch(old)
    for name, count in young_work.items():
        assert old_work[name] <= 1.03 * count, (name, young_work, old_work)
    verify(open_workspace(old).ledger)
