"""What follows from a rollback, and from undoing one: both move the champion along its line.

Promise: what a rollback barred stays barred, unless that very rollback is undone before anything
else changes the champion. Undone, versions, exams and batches stand as before the rollback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.ledger import schema
from components.ledger.events import ChampionRolledBack, Payload, Recorded, RollbackUndone
from components.ledger.projections.batches import release_entry, set_aside, set_status
from components.ledger.projections.rule import Rule
from components.ledger.projections.versions import (
    LINEAGE,
    ON,
    Superseded,
    end_probation,
    join_holdout,
    point,
    set_version_status,
)

UNDO = "undo"
"""How the champion changed when a rollback was undone."""


def _rolled_back(connection: Connection, event: Recorded[ChampionRolledBack]) -> None:
    said = event.payload
    _check_rollback(connection, said)
    for version in said.barred:
        set_version_status(connection, version, "barred")
    end_probation(connection, said.barred, "barred")
    held = schema.holdout.c
    joined = sa.and_(held.version.in_(said.barred), held.retired == 0)
    connection.execute(sa.delete(schema.holdout).where(joined))
    set_version_status(connection, said.to, "champion")
    for batch in said.requeued:
        set_status(connection, batch, "queued", f"queued again: {said.reason}")
    if said.offending_batch is not None:
        rows = said.offending_rows
        set_aside(connection, said.offending_batch, "quarantined", said.reason, rows)
    point(connection, event, said.to, "rollback", said.reason)


def _check_rollback(connection: Connection, said: ChampionRolledBack) -> None:
    """Let pass a rollback to an ancestor that bars exactly what came after it."""
    table, goal = schema.versions.c, said.to
    lineage = connection.execute(
        sa.select(table.version).where(table.status.in_(LINEAGE)).order_by(table.version)
    )
    later = [version for version in lineage.scalars() if version >= goal]
    if later[:1] != [goal] or later[1:] != sorted(said.barred) or len(later) < 2:
        raise Superseded(
            f"The champion changed after the rollback to version {said.to} was planned.",
            "Run the same command again.",
        )


def _undone(connection: Connection, event: Recorded[RollbackUndone]) -> None:
    """Put the versions that a rollback barred back on the champion's line, with what they held out.

    A batch that was examined again meanwhile is promoted by the version that is in force.
    """
    said, table = event.payload, schema.versions
    _check_undo(connection, said)
    set_version_status(connection, said.from_, "former")
    for version in sorted(said.restored):
        set_version_status(connection, version, "former")
        own = table.c.version == version
        batch = connection.execute(sa.select(table.c.batch).where(own)).scalar_one()
        probation = sa.and_(
            schema.probations.c.version == version, schema.probations.c.outcome == "barred"
        )
        goes_on = connection.execute(schema.probations.update().where(probation).values(outcome=ON))
        join_holdout(connection, batch, version, confirmed=not goes_on.rowcount)
        set_status(connection, batch, "promoted")
        inbox = schema.inbox
        connection.execute(inbox.update().where(inbox.c.batch == batch).values(version=version))
        release_entry(connection, batch, "batch")
    set_version_status(connection, said.to, "champion")
    point(connection, event, said.to, UNDO, said.reason)


def _check_undo(connection: Connection, said: RollbackUndone) -> None:
    """Let pass the undoing of the newest change of the champion that stands."""
    moves = connection.execute(sa.select(schema.pointer).order_by(schema.pointer.c.seq)).all()
    left, table = standing(moves), schema.versions.c
    barred = sa.select(table.version).where(table.version.in_(said.restored))
    barred = barred.where(table.status == "barred").order_by(table.version)
    found = list(connection.execute(barred).scalars())
    newest = left[-1] if left else None
    before = (newest.seq, newest.how, newest.version) if newest else None
    whole = found == sorted(said.restored) and found[-1:] == [said.to]
    if before != (said.rollback, "rollback", said.from_) or not whole:
        raise Superseded(
            f"The champion changed after undoing the rollback to version {said.from_} was planned.",
            "Run the same command again.",
        )


def standing(moves: Sequence[Any]) -> list[Any]:
    """Return the changes of the champion that were not undone, oldest first."""
    left: list[Any] = []
    for move in moves:
        if move.how == UNDO:
            left.pop()
        else:
            left.append(move)
    return left


RULES: dict[type[Payload], Rule] = {ChampionRolledBack: _rolled_back, RollbackUndone: _undone}
