"""What follows from people's labels: the answers that count."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.digest import canonical_json
from components.ledger import schema
from components.ledger.events import LabelGiven, LabelWithdrawn, Payload, Recorded
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


RULES: dict[type[Payload], Rule] = {LabelGiven: _given, LabelWithdrawn: _withdrawn}
