"""What follows from the events of a batch: inbox, splits and quarantine."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.ledger import schema
from components.ledger.events import (
    BatchArrived,
    BatchRefused,
    BatchRequeued,
    BatchStarted,
    BatchValidated,
    Payload,
    QuarantineReleased,
    Recorded,
    SplitMade,
)
from components.ledger.projections.rule import Rule


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
        set_aside(connection, said.batch, "refused", said.refused, rows=0)


def _started(connection: Connection, event: Recorded[BatchStarted]) -> None:
    set_status(connection, event.payload.batch, "running")


def _validated(connection: Connection, event: Recorded[BatchValidated]) -> None:
    said = event.payload
    if said.rejected:
        reason = ", ".join(f"{why} ({count})" for why, count in said.reasons.items())
        _keep(connection, said.batch, "rows", said.rejected, reason)


def _refused(connection: Connection, event: Recorded[BatchRefused]) -> None:
    said = event.payload
    set_aside(connection, said.batch, "refused", said.reason, said.rows)


def _requeued(connection: Connection, event: Recorded[BatchRequeued]) -> None:
    set_status(connection, event.payload.batch, "queued", event.payload.reason)


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


def _released(connection: Connection, event: Recorded[QuarantineReleased]) -> None:
    said = event.payload
    connection.execute(
        schema.quarantine.update()
        .filter_by(batch=said.batch, kind=said.kind_)
        .values(status="released")
    )
    if said.kind_ == "batch" and said.as_ == said.batch:
        set_status(connection, said.batch, "queued", "released from quarantine")
    elif said.kind_ == "held":
        set_status(connection, said.batch, "superseded", f"its rows are batch {said.as_[:12]} now")


def set_aside(connection: Connection, batch: str, status: str, reason: str, rows: int) -> None:
    """Take a whole batch out of the queue and into quarantine."""
    set_status(connection, batch, status, reason)
    _keep(connection, batch, "batch", rows, reason)


def set_status(connection: Connection, batch: str | None, status: str, reason: str = "") -> None:
    """Say what became of a batch; a version that came from none has none to speak of."""
    connection.execute(
        schema.inbox.update()
        .where(schema.inbox.c.batch == batch)
        .values(status=status, reason=reason)
    )


def _keep(connection: Connection, batch: str, kind: str, rows: int, reason: str) -> None:
    table = schema.quarantine
    connection.execute(sa.delete(table).filter_by(batch=batch, kind=kind))
    connection.execute(
        table.insert().values(batch=batch, kind=kind, rows=rows, reason=reason, status="kept")
    )


RULES: dict[type[Payload], Rule] = {
    BatchArrived: _arrived,
    BatchStarted: _started,
    BatchValidated: _validated,
    BatchRefused: _refused,
    BatchRequeued: _requeued,
    SplitMade: _split,
    QuarantineReleased: _released,
}
