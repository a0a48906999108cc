"""The numbered steps that make the ledger's tables, and take an older ledger to this layout.

Concept: only `events`, `head` and `leases` hold facts, so only they are ever changed step by
step. The projections are dropped after a step and filled again from the events. The number of
the last step taken is kept in the file itself, as SQLite's `user_version`.

Promise: steps are only ever added at the end. A ledger of a newer Ratchet is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from components.errors import ConfigError, Corrupted, RatchetError
from components.ledger import schema
from components.ledger.chain import REMEDY, Event, read_chain
from components.ledger.events import NewerEvent, read
from components.ledger.projections import apply


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the tables that hold facts, and why it was made."""

    number: int
    why: str
    statements: tuple[str, ...]


STEPS = (
    Step(
        1,
        "the first layout",
        (
            "CREATE TABLE events (seq INTEGER NOT NULL PRIMARY KEY, time VARCHAR(40) NOT NULL, "
            "kind VARCHAR(60) NOT NULL, payload TEXT NOT NULL, previous VARCHAR(64) NOT NULL, "
            "hash VARCHAR(64) NOT NULL)",
            "CREATE TABLE head (seq INTEGER NOT NULL PRIMARY KEY, hash VARCHAR(64) NOT NULL)",
            "CREATE TABLE leases (name VARCHAR(200) NOT NULL PRIMARY KEY, "
            "token INTEGER NOT NULL, holder VARCHAR(200) NOT NULL, expires VARCHAR(40) NOT NULL)",
            "INSERT INTO head VALUES (0, printf('%064d', 0))",
        ),
    ),
    Step(
        2,
        "whether a lease was given back with nothing left to put right",
        ("ALTER TABLE leases ADD COLUMN settled INTEGER NOT NULL DEFAULT 0",),
    ),
    Step(3, "which candidates each exam has seen and refused, filled from the events", ()),
    Step(4, "a version need not come from a batch", ()),
)


def newest() -> int:
    """Return the number of the layout that this code is written for."""
    return STEPS[-1].number


def number_of(connection: Connection) -> int:
    """Return the number of the last step that a database has taken; 0 is no ledger."""
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def is_current(connection: Connection, place: str) -> bool:
    """Tell whether a database has this code's layout; False asks for `migrate`.

    Raises:
        ConfigError: a newer Ratchet wrote it.
        Corrupted: it is no ledger.
    """
    number = number_of(connection)
    if number > newest():
        raise ConfigError(
            f"The ledger {place} has layout {number}; this Ratchet knows layouts up to {newest()}.",
            "Use the Ratchet that wrote it, or a newer one.",
        )
    if number < 1:
        raise Corrupted(f"{place} is no ledger: it was cut off, or is another database.", REMEDY)
    return number == newest()


def migrate(connection: Connection, place: str) -> None:
    """Take every step that is missing, in the caller's transaction; then refill."""
    if is_current(connection, place):
        return  # another process was first
    _take_steps(connection)
    refill(connection, read_chain(connection, place), place)


def refill(connection: Connection, events: list[Event], place: str) -> None:
    """Make every projection anew from events whose chain is proved.

    Raises:
        Corrupted: names the first event that does not follow from those before it.
        NewerEvent: a newer Ratchet wrote one of them.
    """
    schema.metadata.drop_all(connection, tables=schema.projections)
    for index in (index for table in schema.projections for index in table.indexes):
        connection.exec_driver_sql(f"DROP INDEX IF EXISTS {index.name}")  # of a renamed table
    schema.metadata.create_all(connection, tables=schema.projections)
    for event in events:
        try:
            apply(connection, read(event))
        except NewerEvent:
            raise
        except (RatchetError, SQLAlchemyError, LookupError, TypeError, ValueError) as error:
            raise Corrupted(
                f"Event {event.seq} ({event.kind}) of the ledger {place} does not follow from "
                f"the events before it: {error}",
                REMEDY,
            ) from error


@contextmanager
def scratch() -> Iterator[Connection]:
    """Open a new, empty ledger in memory."""
    engine = sa.create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            _take_steps(connection)
            schema.metadata.create_all(connection, tables=schema.projections)
            yield connection
    finally:
        engine.dispose()


def _take_steps(connection: Connection) -> None:
    before = number_of(connection)
    for step in STEPS:
        if step.number > before:
            for statement in step.statements:
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql(f"PRAGMA user_version = {step.number}")
