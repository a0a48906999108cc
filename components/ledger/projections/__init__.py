"""What follows from each event: one rule a kind, in one table.

Concept: `apply` is the only writer of the projections. It runs inside the transaction of
`append`, and again, event by event, when they are rebuilt; so both ways give the same rows.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.digest import canonical_json
from components.ledger import schema
from components.ledger.events import Payload, Recorded, encode
from components.ledger.projections import batches, corrections, labels, rollbacks, root, versions
from components.ledger.projections.rollbacks import standing
from components.ledger.projections.rule import Rule
from components.ledger.projections.versions import FINAL, LINEAGE, ON, Superseded

__all__ = ["FINAL", "LINEAGE", "ON", "RULES", "Superseded", "apply", "standing"]

RULES: dict[type[Payload], Rule] = {
    **batches.RULES,
    **versions.RULES,
    **rollbacks.RULES,
    **root.RULES,
    **labels.RULES,
    **corrections.RULES,
}
"""The rule of each kind that changes a table."""


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
