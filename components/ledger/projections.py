"""What follows from each event: one function a kind, in one table.

Concept: `apply` is the only writer of the projections. It runs inside the transaction of
`append`, and again, event by event, when they are rebuilt; so both ways give the same rows.

Promise: a promotion is fast-forward only (law 2): `VersionPromoted` raises `Superseded`
unless its parent is the champion at that instant; at most one version is champion; what is
barred stays barred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.digest import canonical_json, json_digest
from components.errors import ConfigError, RatchetError
from components.ledger import schema
from components.ledger.events import (
    BatchArrived,
    BatchRefused,
    BatchRequeued,
    BatchStarted,
    BatchValidated,
    CandidateJudged,
    ChampionRolledBack,
    HoldoutDone,
    Payload,
    QuarantineReleased,
    Recorded,
    RegistrationDone,
    SettingChosen,
    SplitMade,
    TrainingDone,
    VersionHeld,
    VersionPromoted,
    VersionRejected,
    VersionSuperseded,
    encode,
)

LINEAGE = ("champion", "former")
"""Statuses of the versions that led to the champion, itself included."""

SETTLED = (*LINEAGE, "barred")
"""Statuses that no decision changes: only a promotion or a rollback moves the lineage."""


class Superseded(RatchetError):
    """The champion moved on while a candidate was examined."""

    code = "superseded"
    exit_code = 3


def apply(connection: Connection, event: Recorded[Payload]) -> None:
    """Update the projections for one event. Kinds without a rule change nothing."""
    said = event.payload
    if said.about.intent is not None:
        _note_intent(connection, said)
    rule = RULES.get(type(said))
    if rule is not None:
        rule(connection, event)


def _note_intent(connection: Connection, said: Any) -> None:
    """Open or close what the `key` of an event names."""
    table, kind = schema.open_intents, said.about
    connection.execute(sa.delete(table).where(table.c.key == said.key))
    if kind.intent == "opens":
        text = canonical_json(encode(said, actor=""))
        connection.execute(table.insert().values(key=said.key, kind=kind.name, payload=text))


def _arrived(connection: Connection, event: Recorded[BatchArrived]) -> None:
    said = event.payload
    connection.execute(
        schema.inbox.insert().values(
            batch=said.batch,
            position=event.seq,
            source=said.source,
            task=said.task,
            suffix=said.suffix,
            status="queued",
            reason="",
        )
    )
    if said.refused:
        _set_aside(connection, said.batch, "refused", said.refused, rows=0)


def _set_aside(connection: Connection, batch: str, status: str, reason: str, rows: int) -> None:
    """Take a whole batch out of the queue and into quarantine."""
    _status(connection, batch, status, reason)
    _keep(connection, batch, "batch", rows, reason)


def _status(connection: Connection, batch: str | None, status: str, reason: str = "") -> None:
    """Say what became of a batch; a version that came from none has none to speak of."""
    connection.execute(
        schema.inbox.update()
        .where(schema.inbox.c.batch == batch)
        .values(status=status, reason=reason)
    )


def _version_status(connection: Connection, version: int, status: str) -> None:
    connection.execute(
        schema.versions.update().where(schema.versions.c.version == version).values(status=status)
    )


def _decide(connection: Connection, version: int, status: str) -> None:
    """Give a version its decision. Law: the lineage keeps its place, barred stays barred."""
    table = schema.versions
    connection.execute(
        table.update()
        .where(table.c.version == version, table.c.status.not_in(SETTLED))
        .values(status=status)
    )


def _started(connection: Connection, event: Recorded[BatchStarted]) -> None:
    _status(connection, event.payload.batch, "running")


def _refused(connection: Connection, event: Recorded[BatchRefused]) -> None:
    said = event.payload
    _set_aside(connection, said.batch, "refused", said.reason, said.rows)


def _validated(connection: Connection, event: Recorded[BatchValidated]) -> None:
    said = event.payload
    if said.rejected:
        reason = ", ".join(f"{why} ({count})" for why, count in said.reasons.items())
        _keep(connection, said.batch, "rows", said.rejected, reason)


def _requeued(connection: Connection, event: Recorded[BatchRequeued]) -> None:
    _status(connection, event.payload.batch, "queued", event.payload.reason)


def _split(connection: Connection, event: Recorded[SplitMade]) -> None:
    said = event.payload
    connection.execute(sa.delete(schema.splits).where(schema.splits.c.batch == said.batch))
    rows = [
        {"batch": said.batch, "item": item, "near": near, "task": task, "side": side}
        for side, items in (("train", said.train), ("holdout", said.holdout))
        for item, near, task in items
    ]
    if rows:
        connection.execute(schema.splits.insert(), rows)


def _keep(connection: Connection, batch: str, kind: str, rows: int, reason: str) -> None:
    table = schema.quarantine
    connection.execute(sa.delete(table).filter_by(batch=batch, kind=kind))
    connection.execute(
        table.insert().values(batch=batch, kind=kind, rows=rows, reason=reason, status="kept")
    )


def _released(connection: Connection, event: Recorded[QuarantineReleased]) -> None:
    said = event.payload
    connection.execute(
        schema.quarantine.update()
        .filter_by(batch=said.batch, kind=said.kind_)
        .values(status="released")
    )
    if said.kind_ == "batch" and said.as_ == said.batch:
        _status(connection, said.batch, "queued", "released from quarantine")


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
    if candidate.status in SETTLED:
        raise ConfigError(
            f"Version {candidate.version} is {candidate.status}; it can't be promoted again.",
            "A version of the lineage comes back by a rollback, a barred one never.",
        )
    if {champion} != {said.parent, candidate.parent}:
        raise Superseded(
            f"Version {said.version} was examined against version {said.parent}, "
            f"but version {champion} is champion now.",
            "Its batch is queued again and will be trained from the new champion.",
        )
    if champion is not None:
        _version_status(connection, champion, "former")
    connection.execute(
        table.update()
        .where(table.c.version == said.version)
        .values(status="champion", anchors=canonical_json(said.anchors))
    )
    _status(connection, said.batch, "promoted")
    _point(connection, event, said.version, "promotion", said.reason)
    joined = _join_holdout(connection, said)
    _build_wall(connection, before.wall if before else None, said, joined)


def _build_wall(
    connection: Connection, before: str | None, said: VersionPromoted, joined: list[str]
) -> None:
    """Chain what a promoted batch held out and trained on to the walls before it."""
    splits, table = schema.splits.c, schema.versions
    sides = connection.execute(
        sa.select(splits.near, splits.side)
        .where(splits.batch == said.batch)
        .order_by(splits.near, splits.side)
    )
    wall = json_digest([before, said.batch, [list(row) for row in sides], joined])
    connection.execute(table.update().where(table.c.version == said.version).values(wall=wall))


def _join_holdout(connection: Connection, said: VersionPromoted) -> list[str]:
    """Hold out the batch's own side of the wall, but for what an exam has meanwhile.

    Returns the near digests of what joined, sorted.
    """
    splits, batch, exam = schema.splits.c, said.batch, schema.holdout.alias()
    known = sa.select(exam.c.near).where(exam.c.near == splits.near).exists()
    rows = [
        {
            "exam": said.exams[row.task],
            "item": row.item,
            "near": row.near,
            "task": row.task,
            "source": batch,
            "version": said.version,
        }
        for row in connection.execute(
            sa.select(schema.splits)
            .where(splits.batch == batch, splits.side == "holdout", ~known)
            .order_by(splits.item)
        )
    ]
    if rows:
        connection.execute(schema.holdout.insert(), rows)
    return sorted(str(row["near"]) for row in rows)


def _point(
    connection: Connection, event: Recorded[Payload], version: int, how: str, reason: str
) -> None:
    row = {"version": version, "how": how, "reason": reason}
    connection.execute(schema.pointer.insert().values(seq=event.seq, time=event.time, **row))


def _held(connection: Connection, event: Recorded[VersionHeld]) -> None:
    said = event.payload
    _decide(connection, said.version, "held")
    _status(connection, said.batch, "held", said.reason)


def _rejected(connection: Connection, event: Recorded[VersionRejected]) -> None:
    said = event.payload
    _decide(connection, said.version, "rejected")
    if said.batch is not None:
        _set_aside(connection, said.batch, "rejected", said.reason, said.rows)


def _superseded(connection: Connection, event: Recorded[VersionSuperseded]) -> None:
    said = event.payload
    _decide(connection, said.version, "superseded")
    if said.requeue:
        _status(connection, said.batch, "queued", said.reason)


def _rolled_back(connection: Connection, event: Recorded[ChampionRolledBack]) -> None:
    said = event.payload
    _check_rollback(connection, said)
    for version in said.barred:
        _version_status(connection, version, "barred")
    connection.execute(sa.delete(schema.holdout).where(schema.holdout.c.version.in_(said.barred)))
    _version_status(connection, said.to, "champion")
    for batch in said.requeued:
        _status(connection, batch, "queued", f"queued again: {said.reason}")
    if said.guilty is not None:
        _set_aside(connection, said.guilty, "quarantined", said.reason, said.guilty_rows)
    _point(connection, event, said.to, "rollback", said.reason)


def _check_rollback(connection: Connection, said: ChampionRolledBack) -> None:
    """Let pass a rollback to an ancestor that bars exactly what came after it."""
    table, goal = schema.versions.c, said.to
    lineage = connection.execute(
        sa.select(table.version).where(table.status.in_(LINEAGE)).order_by(table.version)
    )
    later = [version for version in lineage.scalars() if version >= goal]
    if later[:1] != [goal] or later[1:] != sorted(said.barred) or len(later) < 2:
        raise Superseded(
            f"The lineage moved on since the rollback to version {said.to} was planned.",
            "Run the same command again.",
        )


def _holdout_added(connection: Connection, event: Recorded[HoldoutDone]) -> None:
    said = event.payload
    rows = [
        {
            "exam": said.exam,
            "item": item,
            "near": near,
            "task": said.task,
            "source": said.source,
            "version": None,
        }
        for item, near in said.items
    ]
    if rows:
        connection.execute(schema.holdout.insert(), rows)


def _trained(connection: Connection, event: Recorded[TrainingDone]) -> None:
    said = event.payload
    connection.execute(sa.delete(schema.trained).filter_by(key=said.key))
    connection.execute(schema.trained.insert().values(key=said.key, bundle=said.bundle))


def _judged(connection: Connection, event: Recorded[CandidateJudged]) -> None:
    """Note which exams a candidate was judged by, once for each; old events don't say it."""
    said = event.payload
    table, bundle = schema.served, said.bundle
    connection.execute(sa.delete(table).filter_by(bundle=bundle))
    rows = [
        {"exam": exam, "bundle": bundle, "refused": int(refused)}
        for exam, refused in said.exams.items()
    ]
    if rows:
        connection.execute(table.insert(), rows)


def _chosen(connection: Connection, event: Recorded[SettingChosen]) -> None:
    said = event.payload
    row = {"value": canonical_json(said.value), "why": said.why}
    connection.execute(schema.choices.insert().values(name=said.name, **row))


Rule = Callable[[Connection, Recorded[Any]], None]

RULES: dict[type[Payload], Rule] = {
    BatchArrived: _arrived,
    BatchStarted: _started,
    BatchValidated: _validated,
    BatchRefused: _refused,
    BatchRequeued: _requeued,
    SettingChosen: _chosen,
    SplitMade: _split,
    QuarantineReleased: _released,
    TrainingDone: _trained,
    CandidateJudged: _judged,
    RegistrationDone: _registered,
    VersionPromoted: _promoted,
    VersionHeld: _held,
    VersionRejected: _rejected,
    VersionSuperseded: _superseded,
    ChampionRolledBack: _rolled_back,
    HoldoutDone: _holdout_added,
}
