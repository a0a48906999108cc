"""What follows from the events of a batch: inbox, splits, pools and quarantine."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.ledger import schema
from components.ledger.database import among
from components.ledger.events import (
    BatchArrived,
    BatchHeld,
    BatchPooled,
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


def _held(connection: Connection, event: Recorded[BatchHeld]) -> None:
    set_status(connection, event.payload.batch, "held", event.payload.reason)


def _requeued(connection: Connection, event: Recorded[BatchRequeued]) -> None:
    set_status(connection, event.payload.batch, "queued", event.payload.reason)


def _split(connection: Connection, event: Recorded[SplitMade]) -> None:
    """Replace a batch's sides; what it held out before and has no side now stays known as that."""
    said, splits = event.payload, schema.splits
    sides = [item for item, _, _ in (*said.train, *said.holdout)]
    replaced = (splits.c.side == "train") | splits.c.item.in_(among(sides))
    connection.execute(sa.delete(splits).where(splits.c.batch == said.batch, replaced))
    connection.execute(splits.update().filter_by(batch=said.batch).values(side="once-held"))
    rows = [
        {"batch": said.batch, "item": item, "near": near, "task": task, "side": side}
        for side, items in (("train", said.train), ("holdout", said.holdout))
        for item, near, task in items
    ]
    if rows:
        connection.execute(schema.splits.insert(), rows)


def _pooled(connection: Connection, event: Recorded[BatchPooled]) -> None:
    """Settle the members: what they were held for no longer counts."""
    said, table = event.payload, schema.versions
    for place, member in enumerate(said.members):
        row = {"batch": said.batch, "member": member, "place": place, "seq": event.seq}
        connection.execute(schema.pools.insert().values(row))
        set_status(connection, member, "pooled", f"trained as part of batch {said.batch[:12]}")
    rows = schema.holdout.c
    theirs = sa.and_(rows.source.in_(among(said.members)), rows.confirmed == 0)
    connection.execute(sa.delete(schema.holdout).where(theirs))
    held = sa.and_(table.c.batch.in_(among(said.members)), table.c.status == "held")
    connection.execute(table.update().where(held).values(status="superseded"))


def _released(connection: Connection, event: Recorded[QuarantineReleased]) -> None:
    said = event.payload
    release_entry(connection, said.batch, said.kind_)
    if said.kind_ == "batch" and said.as_ == said.batch:
        set_status(connection, said.batch, "queued", "released from quarantine")
    elif said.kind_ == "held":
        set_status(connection, said.batch, "superseded", f"its rows are batch {said.as_[:12]} now")


def release_entry(connection: Connection, batch: str | None, kind: str) -> None:
    """Say that a quarantine entry is settled; its files stay."""
    entry = schema.quarantine.update().filter_by(batch=batch, kind=kind)
    connection.execute(entry.values(status="released"))


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
    BatchHeld: _held,
    BatchRequeued: _requeued,
    SplitMade: _split,
    BatchPooled: _pooled,
    QuarantineReleased: _released,
}
