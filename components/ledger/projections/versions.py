"""What follows from the events of a candidate and of the champion: versions, pointer, exams' use.

Promise: a promotion is fast-forward only (law 2): `VersionPromoted` raises `Superseded`
unless its parent is the champion at that instant, and confirmed; at most one version is champion;
no decision brings back what is barred.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.digest import canonical_json, json_digest
from components.errors import ConfigError, RatchetError
from components.exam_names import batch_exam
from components.ledger import schema
from components.ledger.events import (
    CandidateExamined,
    CandidateJudged,
    Payload,
    ProbationEnded,
    ProbationExamined,
    Recorded,
    RegistrationDone,
    TrainingDone,
    VersionHeld,
    VersionPromoted,
    VersionRejected,
    VersionSuperseded,
)
from components.ledger.projections.batches import set_aside, set_status
from components.ledger.projections.rule import Rule

LINEAGE = ("champion", "former")
"""Statuses of the versions that led to the champion, itself included."""

FINAL = (*LINEAGE, "barred")
"""Statuses that no decision changes: only a promotion or a rollback moves the lineage."""


ON = "on"
"""The outcome of a probation that has none yet."""


class Superseded(RatchetError):
    """The champion moved on while a candidate was examined."""

    code = "superseded"
    exit_code = 3


def _trained(connection: Connection, event: Recorded[TrainingDone]) -> None:
    said = event.payload
    connection.execute(sa.delete(schema.trained).filter_by(key=said.key))
    connection.execute(schema.trained.insert().values(key=said.key, bundle=said.bundle))


def _examined(connection: Connection, event: Recorded[CandidateExamined]) -> None:
    """Note a look at a candidate and the exams that it used; old events don't say which.

    The same bundle on the same snapshot is one look, however often labels were added to it.
    """
    said = event.payload
    look = {"bundle": said.bundle, "snapshot": said.snapshot}
    for table in (schema.looks, schema.exam_use):
        connection.execute(sa.delete(table).filter_by(**look))
    connection.execute(schema.looks.insert().values(**look, batch=said.batch))
    rows = [
        {**look, "exam": exam, "turned_away": int(away), "spent": int(exam in (said.spent or ()))}
        for exam, away in said.exams.items()
    ]
    if rows:
        connection.execute(schema.exam_use.insert(), rows)


def _registered(connection: Connection, event: Recorded[RegistrationDone]) -> None:
    said = event.payload
    connection.execute(
        schema.versions.insert().values(
            version=said.version,
            batch=said.batch,
            bundle=said.bundle,
            parent=said.parent,
            status="candidate",
            evidence=said.evidence,
            headline=said.headline,
            anchors="{}",
            run=said.run,
        )
    )
    connection.execute(
        schema.inbox.update().where(schema.inbox.c.batch == said.batch).values(version=said.version)
    )


def _promoted(connection: Connection, event: Recorded[VersionPromoted]) -> None:
    said = event.payload
    table = schema.versions
    before = connection.execute(
        sa.select(table.c.version, table.c.wall).where(table.c.status == "champion")
    ).one_or_none()
    champion = before.version if before else None
    candidate = connection.execute(sa.select(table).where(table.c.version == said.version)).one()
    if candidate.status in FINAL:
        raise ConfigError(
            f"Version {candidate.version} is {candidate.status}; it can't be promoted again.",
            "Roll back to return to a former champion; a barred version stays barred.",
        )
    if {champion} != {said.parent, candidate.parent}:
        raise Superseded(
            f"Version {said.version} was examined against version {said.parent}, "
            f"but version {champion} is champion now.",
            "Its batch is queued again and will be trained from the new champion.",
        )
    if champion is not None:
        _require_confirmed(connection, champion)
        set_version_status(connection, champion, "former")
    connection.execute(
        table.update()
        .where(table.c.version == said.version)
        .values(status="champion", anchors=canonical_json(said.anchors))
    )
    set_status(connection, said.batch, "promoted")
    confirmed = said.probation_ends is None
    point(connection, event, said.version, "promotion" if confirmed else "probation", said.reason)
    joined = join_holdout(connection, said.batch, said.version, confirmed)
    _build_wall(connection, before.wall if before else None, said, joined)
    if not confirmed:
        connection.execute(
            schema.probations.insert().values(
                version=said.version,
                parent=said.parent,
                since=event.seq,
                ends=said.probation_ends,
                labels=said.probation_labels,
                outcome=ON,
                looks=0,
            )
        )


def _require_confirmed(connection: Connection, champion: int) -> None:
    """One version at a time is unconfirmed: nothing is promoted on top of it."""
    table = schema.probations.c
    found = sa.select(table.version).where(table.version == champion, table.outcome == ON)
    if connection.execute(found).scalar() is not None:
        raise Superseded(
            f"Version {champion} is on probation, so no version can follow it yet.",
            "Its batch is queued again, and is decided once the probation has ended.",
        )


def _probation_examined(connection: Connection, event: Recorded[ProbationExamined]) -> None:
    said, table = event.payload, schema.probations
    connection.execute(
        table.update()
        .where(table.c.version == said.version)
        .values(looks=table.c.looks + 1, snapshot=said.snapshot, evidence=said.evidence)
    )


def _probation_ended(connection: Connection, event: Recorded[ProbationEnded]) -> None:
    """Confirm a version; or make its parent champion again, and hold it like its batch."""
    said, versions, held = event.payload, schema.versions, schema.holdout
    _check_end(connection, said)
    if said.confirmed:
        end_probation(connection, [said.version], "confirmed")
        own = sa.and_(held.c.version == said.version, held.c.confirmed == 0)
        connection.execute(sa.update(held).where(own).values(confirmed=1))
        anchors = canonical_json(said.anchors)
        own = versions.c.version == said.version
        connection.execute(versions.update().where(own).values(anchors=anchors))
        return
    end_probation(connection, [said.version], "rolled back")
    set_version_status(connection, said.version, "held")
    set_version_status(connection, said.to, "champion")
    set_status(connection, said.batch, "held", said.reason)
    point(connection, event, said.to, "rollback", said.reason)


def _check_end(connection: Connection, said: ProbationEnded) -> None:
    """Let pass the end of the champion's own probation, if it leads where it came from."""
    versions, table = schema.versions.c, schema.probations.c
    on = sa.select(table.parent).join(schema.versions, versions.version == table.version)
    own = sa.and_(table.version == said.version, versions.status == "champion", table.outcome == ON)
    parent = connection.execute(on.where(own)).scalar()
    if said.to != (said.version if said.confirmed else parent) or parent is None:
        raise Superseded(
            f"Version {said.version} is not on probation any more.", "Run the same command again."
        )


def end_probation(connection: Connection, versions: Sequence[int], outcome: str) -> None:
    """End the probation of each of these versions that is on it."""
    table = schema.probations
    own = sa.and_(table.c.version.in_(versions), table.c.outcome == ON)
    connection.execute(table.update().where(own).values(outcome=outcome))


def _build_wall(
    connection: Connection, before: str | None, said: VersionPromoted, joined: list[str]
) -> None:
    """Chain what a promoted batch held out and trained on to the walls before it."""
    splits, table = schema.splits.c, schema.versions
    sides = connection.execute(
        sa.select(splits.near, splits.side)
        .where(splits.batch == said.batch, splits.side.in_(("train", "holdout")))
        .order_by(splits.near, splits.side)
    )
    wall = json_digest([before, said.batch, [list(row) for row in sides], joined])
    connection.execute(table.update().where(table.c.version == said.version).values(wall=wall))


def join_holdout(
    connection: Connection, batch: str | None, version: int, confirmed: bool
) -> list[str]:
    """Hold out a batch's own side of the wall, but for what an exam has meanwhile.

    It joins the exam of its task's batches, whatever older events say: what people brought is
    never mixed with it. Unconfirmed: the batch is held, so its rows can be withdrawn again.
    Returns the near digests of what joined, sorted.
    """
    _withdraw(connection, batch)
    splits, exam = schema.splits.c, schema.holdout.alias()
    known = sa.select(exam.c.near).where(exam.c.near == splits.near).exists()
    corrected = schema.relabelled.c
    joining = connection.execute(
        sa.select(schema.splits, corrected.now, corrected.source)
        .outerjoin(schema.relabelled, corrected.item == splits.item)
        .where(splits.batch == batch, splits.side == "holdout", ~known)
        .order_by(splits.item)
    )
    rows = [
        {
            "exam": batch_exam(row.task),
            "item": row.now or row.item,
            "near": row.near,
            "task": row.task,
            "source": row.source or batch,
            "version": version,
            "confirmed": int(confirmed),
            "retired": 0,
        }
        for row in joining
    ]
    if rows:
        connection.execute(schema.holdout.insert(), rows)
    return sorted(str(row["near"]) for row in rows)


def _withdraw(connection: Connection, batch: str | None) -> None:
    """Take the rows of a held batch out of the exams again; what is retired stays held out."""
    held, versions = schema.holdout.c, schema.versions.c
    own = sa.select(versions.version).where(versions.batch == batch)
    unconfirmed = sa.and_(held.version.in_(own), held.confirmed == 0, held.retired == 0)
    connection.execute(sa.delete(schema.holdout).where(unconfirmed))


def _held(connection: Connection, event: Recorded[VersionHeld]) -> None:
    said = event.payload
    _decide(connection, said.version, "held")
    set_status(connection, said.batch, "held", said.reason)
    join_holdout(connection, said.batch, said.version, confirmed=False)


def _rejected(connection: Connection, event: Recorded[VersionRejected]) -> None:
    said = event.payload
    _decide(connection, said.version, "rejected")
    _withdraw(connection, said.batch)
    if said.batch is not None:
        set_aside(connection, said.batch, "rejected", said.reason, said.rows)


def _superseded(connection: Connection, event: Recorded[VersionSuperseded]) -> None:
    said = event.payload
    _decide(connection, said.version, "superseded")
    _withdraw(connection, said.batch)
    if said.requeue:
        set_status(connection, said.batch, "queued", said.reason)


def _decide(connection: Connection, version: int, status: str) -> None:
    """Give a version its decision. Law: the lineage keeps its place, barred stays barred."""
    table = schema.versions
    connection.execute(
        table.update()
        .where(table.c.version == version, table.c.status.not_in(FINAL))
        .values(status=status)
    )


def set_version_status(connection: Connection, version: int, status: str) -> None:
    """Say what a version is now."""
    connection.execute(
        schema.versions.update().where(schema.versions.c.version == version).values(status=status)
    )


def point(
    connection: Connection, event: Recorded[Payload], version: int, how: str, reason: str
) -> None:
    """Let the champion pointer show a version from this event on."""
    row = {"version": version, "how": how, "reason": reason}
    connection.execute(schema.pointer.insert().values(seq=event.seq, time=event.time, **row))


RULES: dict[type[Payload], Rule] = {
    TrainingDone: _trained,
    CandidateExamined: _examined,
    CandidateJudged: _examined,
    RegistrationDone: _registered,
    VersionPromoted: _promoted,
    VersionHeld: _held,
    VersionRejected: _rejected,
    VersionSuperseded: _superseded,
    ProbationExamined: _probation_examined,
    ProbationEnded: _probation_ended,
}
