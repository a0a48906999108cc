"""Verify the ledger: the hash chain, and the projections rebuilt from the events.

Concept: everything is read in one transaction, so verification works while the ledger is written
to. Then tables and rows are compared with those of a fresh ledger in memory that was fed the same
events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.errors import Corrupted
from components.ledger import database, layout, schema
from components.ledger.chain import GENESIS, REMEDY, read_chain
from components.ledger.ledger import Ledger
from components.sqlite_schema import Defined

REBUILD = "Run `ratchet reconcile --rebuild` to rebuild the projections from the events."


@dataclass(frozen=True, slots=True)
class Verified:
    """A verified ledger: number of events, hash of the last one, and tables that people added."""

    events: int
    head: str
    beside: tuple[str, ...] = ()


def verify(ledger: Ledger) -> Verified:
    """Check the file, the tables, the whole chain, and that the projections follow from it.

    Raises:
        Corrupted: names the first event, table or projection that does not hold.
    """
    with layout.scratch() as fresh:
        with ledger.reading() as connection:
            database.as_stored(connection)
            _check_file(connection, ledger.place)
            defined, made = database.defined(connection), database.defined(fresh)
            _check_tables(defined, made, ledger.place)
            events = read_chain(connection, ledger.place)
            found = {table: _rows(connection, table) for table in schema.projections}
        layout.refill(fresh, events, ledger.place)
        for table in schema.projections:
            if found[table] != _rows(fresh, table):
                raise Corrupted(
                    f"The projection `{table.name}` of the ledger {ledger.place} does not "
                    "match the events.",
                    REBUILD,
                )
    beside = tuple(sorted(defined.keys() - made))
    return Verified(len(events), events[-1].hash if events else GENESIS, beside)


def rebuild(ledger: Ledger) -> int:
    """Rebuild every projection from the verified events; return their count.

    Raises:
        Corrupted: the events themselves do not hold; nothing was changed.
    """
    with ledger.writing() as connection:
        events = read_chain(database.as_stored(connection), ledger.place)
        layout.refill(connection, events, ledger.place)
    return len(events)


def _check_file(connection: Connection, place: str) -> None:
    found = database.damage(connection)
    if found is not None:
        raise Corrupted(f"The file of the ledger {place} is damaged: {found}.", REMEDY)


def _check_tables(found: dict[str, Defined], expected: dict[str, Defined], place: str) -> None:
    """Let pass the tables and indexes that Ratchet made, besides what only reads them."""
    projections = {table.name for table in schema.projections}
    triggers = {name: each for name, each in found.items() if each.kind == "trigger"}
    for name, each in (expected | triggers).items():
        if found.get(name) != expected.get(name):
            raise Corrupted(
                f"`{name}` of the ledger {place} is missing, or was changed since Ratchet "
                "created it.",
                REBUILD if each.table in projections else REMEDY,
            )


def _rows(connection: Connection, table: sa.Table) -> list[tuple[Any, ...]]:
    statement = sa.select(table).order_by(*table.primary_key.columns)
    return [tuple(row) for row in connection.execute(statement)]
