"""Made-up but valid histories: Hypothesis draws numbers, `tell` turns them into events."""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from components.digest import bytes_digest
from components.ledger import views
from components.ledger.book import Lease, Ledger

TEXT = st.text(max_size=12) | st.sampled_from(["", "café", "'; --", "\0", "\ud800", "1e5", "７"])
STORIES = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), TEXT), max_size=30)


def drawn(seed: int, length: int) -> list[tuple[int, int, str]]:
    """Return a story that does not change from run to run."""
    pick = random.Random(seed)
    return [(pick.randrange(100), pick.randrange(100), f"reason {n}") for n in range(length)]


FULL = drawn(42, 80)
"""A story long enough to bring every kind of event and every status of a version."""


class Ticking:
    """A clock that only moves when told, or by a second a look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@contextmanager
def fast_folder() -> Iterator[Path]:
    """A temporary folder in memory where there is one: thousands of commits, no disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file behind the ledger's back; what is changed is committed."""
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection


def digest(*parts: object) -> str:
    return bytes_digest(repr(parts).encode())


def tell(ledger: Ledger, story: list[tuple[int, int, str]]) -> None:
    """Append one event for each step: of the acts that are legal then, the drawn one."""
    with ledger.lease("model", 1) as lease:
        for n, (act, pick, text) in enumerate(story):
            acts = list(_acts(ledger, n, pick, text))
            kind, payload = acts[act % len(acts)]
            ledger.append(kind, payload, None if kind == "batch.arrived" else lease)


Acts = Iterator[tuple[str, dict[str, Any]]]


def _acts(ledger: Ledger, n: int, pick: int, text: str) -> Acts:
    batch = digest("batch", n)
    arrival = {"batch": batch, "source": f"{text}.csv", "task": "mood", "suffix": ".csv"}
    yield "batch.arrived", {**arrival, "refused": text if pick % 5 == 0 else None}
    yield "alias.mirrored", {"alias": text, "version": n}
    yield "setting.chosen", {"name": f"{text}.{n}", "value": [pick, None], "why": text}
    item = {"exam": f"mood#{n}", "task": "mood", "source": batch, "items": [(batch, batch)]}
    yield "holdout.begun", {"key": text}
    yield "holdout.done", {"key": text, **item}
    inbox = views.arrivals(ledger)
    if inbox:
        yield from _of_batch(ledger, inbox[pick % len(inbox)].batch, n, pick, text)
    yield from _of_versions(ledger, n, pick, text)


def _of_batch(ledger: Ledger, batch: str, n: int, pick: int, text: str) -> Acts:
    champion = views.champion(ledger)
    parent = champion.version if champion else None
    yield "batch.started", {"batch": batch}
    reasons = {text: 1} if pick % 2 else {}
    yield "batch.validated", {"batch": batch, "rejected": len(reasons), "reasons": reasons}
    yield "batch.refused", {"batch": batch, "reason": text, "rows": pick}
    yield "batch.requeued", {"batch": batch, "reason": text}
    yield "quarantine.released", {"batch": batch, "kind": "batch", "as": batch}
    sides = {
        side: [(digest(batch, side, k), digest(side, k % 2), "mood") for k in range(pick % 4)]
        for side in ("train", "holdout")
    }
    yield "split.made", {"batch": batch, **sides}
    yield "training.done", {"key": digest(batch), "bundle": digest(pick)}
    exams = {f"mood#{k}": bool(pick % 2) for k in range(pick % 3)}
    yield "candidate.judged", {"batch": batch, "bundle": digest(pick), "exams": exams}
    registration = {"batch": batch, "bundle": digest(pick), "parent": parent, "run": text}
    evidence = {"evidence": digest(n), "headline": text, "version": len(views.versions(ledger)) + 1}
    yield "registration.done", {"key": text, **registration, **evidence}


def _of_versions(ledger: Ledger, n: int, pick: int, text: str) -> Acts:
    lineage = views.lineage(ledger)
    parent = lineage[0].version if lineage else None
    barred = {version.version for version in views.versions(ledger) if version.status == "barred"}
    passed = {version.version for version in lineage} | barred
    versions = [version for version in views.versions(ledger) if version.version not in passed]
    if versions:
        version = versions[pick % len(versions)]
        decision = {"version": version.version, "batch": version.batch, "reason": text}
        yield "version.held", decision
        yield "version.rejected", {**decision, "rows": pick}
        yield "version.superseded", {**decision, "requeue": bool(pick % 2)}
        if version.parent == parent:
            anchors = {"anchors": {"mood": version.version}, "exams": {"mood": "mood"}}
            yield "version.promoted", {**decision, "parent": parent, **anchors}
    if len(lineage) > 1:
        depth = 1 + pick % (len(lineage) - 1)
        rolled = lineage[:depth]
        yield (
            "champion.rolled-back",
            {
                "to": lineage[depth].version,
                "barred": [version.version for version in rolled],
                "requeued": [version.batch for version in rolled[:-1]],
                "guilty": rolled[-1].batch,
                "guilty_rows": pick,
                "reason": text,
            },
        )


def promote(ledger: Ledger, lease: Lease, version: int, parent: int | None) -> str:
    """Let a batch arrive, register it as `version` with `parent`; promote it; return it."""
    batch = register(ledger, lease, version, parent)
    ledger.append("version.promoted", promotion(version, parent), lease)
    return batch


def register(ledger: Ledger, lease: Lease, version: int, parent: int | None) -> str:
    """Let a batch arrive and register it as `version` with `parent`; return the batch."""
    batch = digest("batch", version)
    arrival = {"batch": batch, "source": "a.csv", "task": "mood", "suffix": ".csv"}
    ledger.append("batch.arrived", arrival, None)
    sides = {"train": [(digest(batch), digest(batch), "mood")], "holdout": [(batch, batch, "mood")]}
    ledger.append("split.made", {"batch": batch, **sides}, lease)
    registration = {"batch": batch, "bundle": digest(version), "parent": parent, "run": "r"}
    evidence = {"evidence": digest("e", version), "headline": "fine", "version": version}
    ledger.append("registration.done", {"key": batch, **registration, **evidence}, lease)
    return batch


def promotion(version: int, parent: int | None) -> dict[str, Any]:
    """Return the payload that promotes `version`."""
    return {
        "version": version,
        "batch": digest("batch", version),
        "reason": "fine",
        "parent": parent,
        "anchors": {"mood": version},
        "exams": {"mood": "mood"},
    }


def contents(path: Path) -> dict[str, list[Any]]:
    """Return every row of every table but the leases, as stored, with its types."""
    with raw(path) as connection:
        connection.text_factory = bytes
        names = [
            row[0].decode()
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'leases'"
            )
        ]
        return {name: _typed(connection, name) for name in sorted(names)}


def _typed(connection: sqlite3.Connection, name: str) -> list[Any]:
    rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
    return sorted([[(type(value).__name__, value) for value in row] for row in rows], key=repr)
