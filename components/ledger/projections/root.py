"""What follows from the events of a root: what was chosen, and the exams that were brought."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from components.digest import canonical_json
from components.ledger import schema
from components.ledger.events import (
    HoldoutDone,
    Payload,
    Recorded,
    SettingChosen,
)
from components.ledger.projections.rule import Rule


def _chosen(connection: Connection, event: Recorded[SettingChosen]) -> None:
    said = event.payload
    table = schema.choices
    connection.execute(table.delete().where(table.c.name == said.name))
    row = {"value": canonical_json(said.value), "why": said.why}
    connection.execute(table.insert().values(name=said.name, **row))


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
            "confirmed": 1,
            "retired": 0,
        }
        for item, near in said.items
    ]
    if rows:
        connection.execute(schema.holdout.insert(), rows)


RULES: dict[type[Payload], Rule] = {
    SettingChosen: _chosen,
    HoldoutDone: _holdout_added,
}
