"""Made-up but valid histories: Hypothesis draws numbers, `tell` turns them into events."""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from components.digest import bytes_digest
from components.ledger import views
from components.ledger.events import (
    AliasMirrored,
    AnchorMoved,
    BatchArrived,
    BatchHeld,
    BatchPooled,
    BatchRefused,
    BatchRequeued,
    BatchStarted,
    BatchValidated,
    CandidateExamined,
    ChampionRolledBack,
    ExamRetired,
    HoldoutBegun,
    HoldoutDone,
    LabelGiven,
    LabelWithdrawn,
    Payload,
    ProbationEnded,
    ProbationExamined,
    QuarantineReleased,
    Recorded,
    RegistrationDone,
    RelabelDone,
    RemovalBegun,
    RollbackUndone,
    SettingChosen,
    SplitMade,
    TaskRenamed,
    TaskRetired,
    TrainingDone,
    VersionHeld,
    VersionPromoted,
    VersionRejected,
    VersionSuperseded,
)
from components.ledger.ledger import Lease, Ledger

TEXT = st.text(max_size=12) | st.sampled_from(["", "café", "'; --", "\0", "\ud800", "1e5", "７"])
STORIES = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), TEXT), max_size=30)


def drawn(seed: int, length: int) -> list[tuple[int, int, str]]:
    """Return a story that does not change from run to run."""
    pick = random.Random(seed)
    return [(pick.randrange(100), pick.randrange(100), f"reason {n}") for n in range(length)]


FULL = drawn(2, 110)
"""A story long enough to bring every kind of event and every status of a version."""


class Ticking:
    """A clock that only moves when told, or by a second a look.

    A look from another thread, as the renewal of a lease has, does not move it: how many there are
    depends on how fast the machine is.
    """

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self._owner = threading.get_ident()

    def __call__(self) -> datetime:
        if threading.get_ident() == self._owner:
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
    """Append one event for each step: of the acts that are legal then, the drawn one.

    In the full story, kinds that were not told yet come first.
    """
    told = set[Any]()
    with ledger.lease("model", 1) as lease:
        for n, (act, pick, text) in enumerate(story):
            acts = list(_acts(ledger, n, pick, text))
            fresh = [each for each in acts if _kind(each) not in told] if story is FULL else []
            chosen = (fresh or acts)[act % len(fresh or acts)]
            told.add(_kind(chosen))
            ledger.append(chosen, lease)


def _kind(said: Payload) -> tuple[type[Payload], bool]:
    """Return what an event is; a promotion on probation is another one than a promotion."""
    return type(said), getattr(said, "probation_ends", None) is not None


Acts = Iterator[Payload]


def given(item: str, label: str) -> LabelGiven:
    """A person's answer to a question about an input of a pool."""
    return LabelGiven(
        task="mood", item=item, answer="label", label=label, offered=["a"], asked_by=digest("e")
    )


def _acts(ledger: Ledger, n: int, pick: int, text: str) -> Acts:
    batch = digest("batch", n)
    yield arrival(batch, f"{text}.csv", text if pick % 5 == 0 else None)
    yield AliasMirrored(alias=text, version=n)
    yield SettingChosen(name=f"{text}.{n}", value=[pick, None], why=text)
    yield HoldoutBegun(key=text, name="", exam="mood")
    yield brought(key=text, exam=f"mood#{n}", source=batch)
    yield removed(f"removal:{n}", f"mood#{n}", batch)
    yield given(digest("input", pick), text)
    yield LabelWithdrawn(task="mood", item=digest("input", pick), given=pick)
    yield from _corrections(ledger, n, pick, text)
    inbox = views.arrivals(ledger)
    if inbox:
        yield from _of_batch(ledger, inbox[pick % len(inbox)].batch, n, pick, text)
    yield from _of_versions(ledger, n, pick, text)


def _corrections(ledger: Ledger, n: int, pick: int, text: str) -> Acts:
    tasks = [each.task for each in views.task_records(ledger) if not each.retired]
    if not tasks:
        return
    task = tasks[pick % len(tasks)]
    merged = {"old": task, "new": tasks[0], "merged": True}
    yield TaskRenamed(**merged if task != tasks[0] else renaming(task, f"{task}{n}"), reason=text)
    yield TaskRetired(task=task, reason=text)
    live = [each for each in views.exam_records(ledger) if not each.retired]
    if live:
        exam = live[pick % len(live)]
        yield ExamRetired(exam=exam.exam, task=exam.task, reason=text)
        held = views.held_items(ledger, exam.exam)[0]
        yield relabelled(held, digest("relabelled", n))
    champion = views.champion(ledger)
    if champion is not None and task in champion.anchors:
        moved: dict[str, Any] = {"from_": champion.anchors[task], "to": champion.version}
        yield AnchorMoved(task=task, **moved, reason=text)


def renaming(old: str, new: str) -> dict[str, Any]:
    """Return what the event of a renaming says, its reason apart."""
    return {"old": old, "new": new, "merged": False}


def relabelled(held: views.HeldItem, new: str) -> RelabelDone:
    """Return the event that puts another item in the place of a held one."""
    source = digest("relabelled", held.item, new)
    done = brought(key=source, exam=held.exam, source=source)
    said = {**done.said(), "task": held.task, "items": [(new, held.near)]}
    return RelabelDone(**said, replaces={held.item: new}, reason="wrong")


def _of_batch(ledger: Ledger, batch: str, n: int, pick: int, text: str) -> Acts:
    champion = views.champion(ledger)
    parent = champion.version if champion else None
    yield BatchStarted(batch=batch)
    reasons = {text: 1} if pick % 2 else {}
    yield BatchValidated(
        batch=batch, accepted=pick, rejected=len(reasons), reasons=reasons, checks=digest(n)
    )
    yield BatchRefused(batch=batch, reason=text, rows=pick)
    yield BatchRequeued(batch=batch, reason=text)
    yield BatchHeld(batch=batch, reason=text)
    yield BatchPooled(batch=digest("pool", n), members=[batch])
    yield QuarantineReleased(batch=batch, kind_="batch", as_=batch)
    sides = {
        side: [(digest(batch, side, k), digest(side, k % 2), "mood") for k in range(pick % 4)]
        for side in ("train", "holdout")
    }
    yield SplitMade(batch=batch, **sides, blocked=0)
    yield TrainingDone(key=digest(batch), batch=batch, bundle=digest(pick), seconds=0.5)
    yield examined(batch, digest(pick), {f"mood#{k}": bool(pick % 2) for k in range(pick % 3)})
    number = len(views.versions(ledger)) + 1
    yield registration(batch, number, parent, bundle=digest(pick), headline=text)


def _of_versions(ledger: Ledger, n: int, pick: int, text: str) -> Acts:
    lineage = views.lineage(ledger)
    parent = lineage[0].version if lineage else None
    barred = {version.version for version in views.versions(ledger) if version.status == "barred"}
    passed = {version.version for version in lineage} | barred
    versions = [version for version in views.versions(ledger) if version.version not in passed]
    number = len(views.versions(ledger)) + 1
    yield registration(None, number, parent, bundle=digest("adopted", pick), headline=text)
    if versions:
        version = versions[pick % len(versions)]
        decision: dict[str, Any] = {
            "version": version.version,
            "batch": version.batch,
            "reason": text,
        }
        yield VersionHeld(**decision)
        yield VersionRejected(**decision, rows=pick)
        yield VersionSuperseded(**decision, requeue=bool(pick % 2))
        on = views.probation(ledger)
        if version.parent == parent and on is None:
            anchors = {"mood": version.version}
            promoted = VersionPromoted(
                **decision, parent=parent, anchors=anchors, exams={"mood": "mood"}
            )
            yield promoted
            again = version.version in {each.version for each in views.probations(ledger)}
            if parent is not None and not again:
                yield replace(promoted, probation_ends=text, probation_labels=pick)
    yield from _of_probation(ledger, n, pick, text)
    yield from _undoing(ledger, pick, text)
    if len(lineage) > 1:
        depth = 1 + pick % (len(lineage) - 1)
        rolled = lineage[:depth]
        yield rolled_back(
            lineage[depth].version,
            [version.version for version in rolled],
            [version.batch for version in rolled[:-1] if version.batch],
            rolled[-1].batch,
            text,
        )


def _undoing(ledger: Ledger, pick: int, text: str) -> Acts:
    """The undoing of the newest rollback, where nothing else changed the champion since.

    Not each time that it could be, or no version would stay barred.
    """
    if pick % 10:
        return
    move = views.newest_move(ledger)
    for event in views.told(ledger, ChampionRolledBack):
        if move is not None and event.seq == move.seq:
            yield undone(event, text)


def undone(event: Recorded[ChampionRolledBack], reason: str = "a slip") -> RollbackUndone:
    """Return the event that undoes a rollback."""
    said = event.payload
    return RollbackUndone(
        rollback=event.seq,
        from_=said.to,
        to=said.from_,
        restored=sorted(said.barred),
        batches=[],
        reason=reason,
    )


def _of_probation(ledger: Ledger, n: int, pick: int, text: str) -> Acts:
    on = views.probation(ledger)
    if on is None:
        return
    yield ProbationExamined(
        version=on.version, snapshot=digest(n), evidence=digest("e", n), action="hold"
    )
    confirmed = bool(pick % 2)
    version = views.version(ledger, on.version)
    yield ProbationEnded(
        version=on.version,
        batch=version.batch if version else None,
        to=on.version if confirmed else on.parent,
        confirmed=confirmed,
        reason=text,
        labels=pick,
        anchors=version.anchors if confirmed and version else None,
    )


def promote(ledger: Ledger, lease: Lease, version: int, parent: int | None) -> str:
    """Let a batch arrive, register it as `version` with `parent`; promote it; return it."""
    batch = register(ledger, lease, version, parent)
    ledger.append(promotion(version, parent), lease)
    return batch


def register(ledger: Ledger, lease: Lease, version: int, parent: int | None) -> str:
    """Let a batch arrive and register it as `version` with `parent`; return the batch."""
    batch = digest("batch", version)
    ledger.append(arrival(batch), None)
    train, held = [(digest(batch), digest(batch), "mood")], [(batch, batch, "mood")]
    ledger.append(SplitMade(batch=batch, train=train, holdout=held, blocked=0), lease)
    ledger.append(registration(batch, version, parent), lease)
    return batch


def arrival(batch: str, source: str = "a.csv", refused: str | None = None) -> BatchArrived:
    """Return the event of a batch's arrival."""
    return BatchArrived(batch=batch, source=source, task="mood", suffix=".csv", refused=refused)


def brought(key: str, exam: str, source: str) -> HoldoutDone:
    """Return the event of one brought exam item, named by its source."""
    mark = {"path": "", "md5": "", "sha256": "", "size": 0}
    return HoldoutDone(
        key=key,
        name="",
        exam=exam,
        task="mood",
        source=source,
        items=[(source, source)],
        stored=mark,
    )


def removed(key: str, exam: str, source: str) -> RemovalBegun:
    """Return the event of a removed file of one input."""
    return RemovalBegun(
        key=key, task="mood", exam=exam, sources=[source], items=1, reason="retention"
    )


def examined(batch: str, bundle: str, exams: dict[str, bool]) -> CandidateExamined:
    """Return the event of a decision."""
    return CandidateExamined(
        batch=batch,
        bundle=bundle,
        snapshot="",
        evidence="",
        action="hold",
        headline="",
        exams=exams,
    )


def registration(
    batch: str | None, version: int, parent: int | None, bundle: str = "", headline: str = "fine"
) -> RegistrationDone:
    """Return the event that registers `version`."""
    return RegistrationDone(
        key=batch or digest("key", version),
        batch=batch,
        bundle=bundle or digest(version),
        parent=parent,
        evidence=digest("e", version),
        headline=headline,
        version=version,
        run="r",
    )


def promotion(version: int, parent: int | None) -> VersionPromoted:
    """Return the event that promotes `version`."""
    return VersionPromoted(
        version=version,
        batch=digest("batch", version),
        reason="fine",
        parent=parent,
        anchors={"mood": version},
        exams={"mood": "mood"},
    )


def rolled_back(
    to: int, barred: list[int], requeued: list[str], offending: str | None, reason: str = "worse"
) -> ChampionRolledBack:
    """Return the event of a rollback."""
    return ChampionRolledBack(
        from_=max([to, *barred]),
        to=to,
        barred=barred,
        offending_batch=offending,
        offending_rows=1,
        requeued=requeued,
        reason=reason,
        cost={},
        regressions=[],
    )


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
