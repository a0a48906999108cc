"""What follows from each event: one function a kind, in one table.

Concept: `apply` is the only writer of the projections. It runs inside the transaction of
`append`, and again, event by event, when they are rebuilt; so both ways give the same rows.

Promise: a promotion is fast-forward only (law 2): `version.promoted` raises `Superseded`
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

LINEAGE = ("champion", "former")
"""Statuses of the versions that led to the champion, itself included."""

SETTLED = (*LINEAGE, "barred")
"""Statuses that no decision changes: only a promotion or a rollback moves the lineage."""

Payload = dict[str, Any]


class Superseded(RatchetError):
    """The champion moved on while a candidate was examined."""

    code = "superseded"
    exit_code = 3


def apply(connection: Connection, seq: int, time: str, kind: str, payload: Payload) -> None:
    """Update the projections for one event. Kinds without a rule change nothing."""
    if kind.endswith(".begun"):
        _open(connection, kind, payload)
    elif kind.endswith((".done", ".abandoned")):
        _close(connection, payload)
    rule = RULES.get(kind)
    if rule is not None:
        rule(connection, seq, time, payload)


def _open(connection: Connection, kind: str, payload: Payload) -> None:
    connection.execute(
        sa.delete(schema.open_intents).where(schema.open_intents.c.key == payload["key"])
    )
    connection.execute(
        schema.open_intents.insert().values(
            key=payload["key"], kind=kind, payload=canonical_json(payload)
        )
    )


def _close(connection: Connection, payload: Payload) -> None:
    connection.execute(
        sa.delete(schema.open_intents).where(schema.open_intents.c.key == payload["key"])
    )


def _arrived(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    connection.execute(
        schema.inbox.insert().values(
            batch=payload["batch"],
            position=seq,
            source=payload["source"],
            task=payload["task"],
            suffix=payload["suffix"],
            status="queued",
            reason="",
        )
    )
    if payload.get("refused"):
        _refused(connection, seq, time, {**payload, "reason": payload["refused"], "rows": 0})


def _status(connection: Connection, batch: str, status: str, reason: str = "") -> None:
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


def _started(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    _status(connection, payload["batch"], "running")


def _refused(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    _status(connection, payload["batch"], "refused", payload["reason"])
    _keep(connection, payload["batch"], "batch", payload["rows"], payload["reason"])


def _validated(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    if payload["rejected"]:
        reason = ", ".join(f"{why} ({count})" for why, count in payload["reasons"].items())
        _keep(connection, payload["batch"], "rows", payload["rejected"], reason)


def _requeued(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    _status(connection, payload["batch"], "queued", payload["reason"])


def _split(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    connection.execute(sa.delete(schema.splits).where(schema.splits.c.batch == payload["batch"]))
    rows = [
        {"batch": payload["batch"], "item": item, "near": near, "task": task, "side": side}
        for side in ("train", "holdout")
        for item, near, task in payload[side]
    ]
    if rows:
        connection.execute(schema.splits.insert(), rows)


def _keep(connection: Connection, batch: str, kind: str, rows: int, reason: str) -> None:
    table = schema.quarantine
    connection.execute(sa.delete(table).filter_by(batch=batch, kind=kind))
    connection.execute(
        table.insert().values(batch=batch, kind=kind, rows=rows, reason=reason, status="kept")
    )


def _released(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    connection.execute(
        schema.quarantine.update()
        .filter_by(batch=payload["batch"], kind=payload["kind"])
        .values(status="released")
    )
    if payload["kind"] == "batch" and payload["as"] == payload["batch"]:
        _status(connection, payload["batch"], "queued", "released from quarantine")


def _registered(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    connection.execute(
        schema.versions.insert().values(
            version=payload["version"],
            batch=payload["batch"],
            bundle=payload["bundle"],
            parent=payload["parent"],
            status="candidate",
            evidence=payload["evidence"],
            headline=payload["headline"],
            anchors="{}",
            run=payload["run"],
        )
    )
    connection.execute(
        schema.inbox.update()
        .where(schema.inbox.c.batch == payload["batch"])
        .values(version=payload["version"])
    )


def _promoted(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    table = schema.versions
    before = connection.execute(
        sa.select(table.c.version, table.c.wall).where(table.c.status == "champion")
    ).one_or_none()
    champion = before.version if before else None
    candidate = connection.execute(
        sa.select(table).where(table.c.version == payload["version"])
    ).one()
    if candidate.status in SETTLED:
        raise ConfigError(
            f"Version {candidate.version} is {candidate.status}; it can't be promoted again.",
            "A version of the lineage comes back by a rollback, a barred one never.",
        )
    if {champion} != {payload["parent"], candidate.parent}:
        raise Superseded(
            f"Version {payload['version']} was examined against version {payload['parent']}, "
            f"but version {champion} is champion now.",
            "Its batch is queued again and will be trained from the new champion.",
        )
    if champion is not None:
        _version_status(connection, champion, "former")
    connection.execute(
        table.update()
        .where(table.c.version == payload["version"])
        .values(status="champion", anchors=canonical_json(payload["anchors"]))
    )
    _status(connection, payload["batch"], "promoted")
    _point(connection, seq, time, payload["version"], "promotion", payload["reason"])
    joined = _join_holdout(connection, payload)
    _build_wall(connection, before.wall if before else None, payload, joined)


def _build_wall(
    connection: Connection, before: str | None, payload: Payload, joined: list[str]
) -> None:
    """Chain what a promoted batch held out and trained on to the walls before it."""
    splits, table = schema.splits.c, schema.versions
    sides = connection.execute(
        sa.select(splits.near, splits.side)
        .where(splits.batch == payload["batch"])
        .order_by(splits.near, splits.side)
    )
    wall = json_digest([before, payload["batch"], [list(row) for row in sides], joined])
    connection.execute(
        table.update().where(table.c.version == payload["version"]).values(wall=wall)
    )


def _join_holdout(connection: Connection, payload: Payload) -> list[str]:
    """Hold out the batch's own side of the wall, but for what an exam has meanwhile.

    Returns the near digests of what joined, sorted.
    """
    splits, batch, exam = schema.splits.c, payload["batch"], schema.holdout.alias()
    known = sa.select(exam.c.near).where(exam.c.near == splits.near).exists()
    rows = [
        {
            "exam": payload["exams"][row.task],
            "item": row.item,
            "near": row.near,
            "task": row.task,
            "source": batch,
            "version": payload["version"],
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
    connection: Connection, seq: int, time: str, version: int, how: str, reason: str
) -> None:
    connection.execute(
        schema.pointer.insert().values(seq=seq, version=version, how=how, reason=reason, time=time)
    )


def _held(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    _decide(connection, payload["version"], "held")
    _status(connection, payload["batch"], "held", payload["reason"])


def _rejected(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    _decide(connection, payload["version"], "rejected")
    _status(connection, payload["batch"], "rejected", payload["reason"])
    _keep(connection, payload["batch"], "batch", payload["rows"], payload["reason"])


def _superseded(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    _decide(connection, payload["version"], "superseded")
    if payload["requeue"]:
        _status(connection, payload["batch"], "queued", payload["reason"])


def _rolled_back(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    _check_rollback(connection, payload)
    for version in payload["barred"]:
        _version_status(connection, version, "barred")
    connection.execute(
        sa.delete(schema.holdout).where(schema.holdout.c.version.in_(payload["barred"]))
    )
    _version_status(connection, payload["to"], "champion")
    for batch in payload["requeued"]:
        _status(connection, batch, "queued", f"queued again: {payload['reason']}")
    if payload["guilty"] is not None:
        _status(connection, payload["guilty"], "quarantined", payload["reason"])
        _keep(connection, payload["guilty"], "batch", payload["guilty_rows"], payload["reason"])
    _point(connection, seq, time, payload["to"], "rollback", payload["reason"])


def _check_rollback(connection: Connection, payload: Payload) -> None:
    """Let pass a rollback to an ancestor that bars exactly what came after it."""
    table, goal = schema.versions.c, payload["to"]
    lineage = connection.execute(
        sa.select(table.version).where(table.status.in_(LINEAGE)).order_by(table.version)
    )
    later = [version for version in lineage.scalars() if version >= goal]
    if later[:1] != [goal] or later[1:] != sorted(payload["barred"]) or len(later) < 2:
        raise Superseded(
            f"The lineage moved on since the rollback to version {payload['to']} was planned.",
            "Run the same command again.",
        )


def _holdout_added(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    rows = [
        {
            "exam": payload["exam"],
            "item": item,
            "near": near,
            "task": payload["task"],
            "source": payload["source"],
            "version": None,
        }
        for item, near in payload["items"]
    ]
    if rows:
        connection.execute(schema.holdout.insert(), rows)


def _trained(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    connection.execute(sa.delete(schema.trained).filter_by(key=payload["key"]))
    connection.execute(schema.trained.insert().values(key=payload["key"], bundle=payload["bundle"]))


def _judged(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    """Note which exams a candidate was judged by, once for each; old events don't say it."""
    table, bundle = schema.served, payload["bundle"]
    connection.execute(sa.delete(table).filter_by(bundle=bundle))
    rows = [
        {"exam": exam, "bundle": bundle, "refused": int(refused)}
        for exam, refused in payload.get("exams", {}).items()
    ]
    if rows:
        connection.execute(table.insert(), rows)


def _chosen(connection: Connection, seq: int, time: str, payload: Payload) -> None:
    row = {"value": canonical_json(payload["value"]), "why": payload["why"]}
    connection.execute(schema.choices.insert().values(name=payload["name"], **row))


Rule = Callable[[Connection, int, str, Payload], None]

RULES: dict[str, Rule] = {
    "batch.arrived": _arrived,
    "batch.started": _started,
    "batch.validated": _validated,
    "batch.refused": _refused,
    "batch.requeued": _requeued,
    "setting.chosen": _chosen,
    "split.made": _split,
    "quarantine.released": _released,
    "training.done": _trained,
    "candidate.judged": _judged,
    "registration.done": _registered,
    "version.promoted": _promoted,
    "version.held": _held,
    "version.rejected": _rejected,
    "version.superseded": _superseded,
    "champion.rolled-back": _rolled_back,
    "holdout.done": _holdout_added,
}
