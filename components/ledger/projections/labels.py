"""What follows from the events of pools: the answers that count, the inputs that are left."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.digest import canonical_json
from components.ledger import schema
from components.ledger.database import among
from components.ledger.events import (
    LabelGiven,
    LabelWithdrawn,
    Payload,
    Recorded,
    RemovalBegun,
)
from components.ledger.projections.corrections import task_now
from components.ledger.projections.rule import Rule


def _given(connection: Connection, event: Recorded[LabelGiven]) -> None:
    said = event.payload
    connection.execute(
        schema.answers.insert().values(
            seq=event.seq,
            task=task_now(connection, said.task),
            item=said.item,
            answer=said.answer,
            label=said.label,
            offered=canonical_json(list(said.offered)),
            asked_by=said.asked_by,
            again=int(said.again),
        )
    )


def _withdrawn(connection: Connection, event: Recorded[LabelWithdrawn]) -> None:
    connection.execute(sa.delete(schema.answers).filter_by(seq=event.payload.given))


def _removed(connection: Connection, event: Recorded[RemovalBegun]) -> None:
    said, table = event.payload, schema.holdout.c
    gone = table.source.in_(among(said.sources))
    connection.execute(sa.delete(schema.holdout).where(table.exam == said.exam, gone))


RULES: dict[type[Payload], Rule] = {
    LabelGiven: _given,
    LabelWithdrawn: _withdrawn,
    RemovalBegun: _removed,
}
