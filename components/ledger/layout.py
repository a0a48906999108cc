"""The numbered migrations that create the ledger's tables and bring an older ledger up to date.

Concept: only `events`, `head` and `leases` hold facts, so only they are ever migrated. The
projections are dropped after a migration and filled again from the events. The number of the last
one is kept in the database itself.

Promise: migrations are only added at the end. A ledger of a newer version of Ratchet is refused.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from components.errors import ConfigError, Corrupted, RatchetError
from components.ledger import database, schema
from components.ledger.chain import REMEDY, Event, read_chain
from components.ledger.database import Database
from components.ledger.events import NewerEvent, read
from components.ledger.projections import apply

MALFORMED = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)
"""What a rule raises where an event has a value of another shape than its kind."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One change of the tables that hold facts, and why it was made."""

    number: int
    why: str
    statements: tuple[str, ...]


MIGRATIONS = (
    Migration(
        1,
        "the first layout",
        (
            "CREATE TABLE events (seq INTEGER NOT NULL PRIMARY KEY, time VARCHAR(40) NOT NULL, "
            "kind VARCHAR(60) NOT NULL, payload TEXT NOT NULL, previous VARCHAR(64) NOT NULL, "
            "hash VARCHAR(64) NOT NULL)",
            "CREATE TABLE head (seq INTEGER NOT NULL PRIMARY KEY, hash VARCHAR(64) NOT NULL)",
            "CREATE TABLE leases (name VARCHAR(200) NOT NULL PRIMARY KEY, "
            "token INTEGER NOT NULL, holder VARCHAR(200) NOT NULL, expires VARCHAR(40) NOT NULL)",
            "INSERT INTO head VALUES "
            "(0, '0000000000000000000000000000000000000000000000000000000000000000')",
        ),
    ),
    Migration(
        2,
        "whether a lease was given back with nothing left to put right",
        ("ALTER TABLE leases ADD COLUMN settled INTEGER NOT NULL DEFAULT 0",),
    ),
    Migration(3, "which candidates each exam has seen and turned away, filled from the events", ()),
    Migration(
        4,
        "a version need not come from a batch; `served` is called exam_use, `settled` in_order",
        ("DROP TABLE IF EXISTS served", "ALTER TABLE leases RENAME COLUMN settled TO in_order"),
    ),
    Migration(5, "exams by origin, use by look, labels, pooled batches, corrections", ()),
    Migration(6, "versions on probation", ()),
)


def newest() -> int:
    """Return the number of the layout that this code is written for."""
    return MIGRATIONS[-1].number


def open_database(path: Path) -> Database:
    """Open a ledger's database, made where it is missing and brought to this code's layout.

    Raises:
        ConfigError: a newer Ratchet wrote it.
        Corrupted: it is empty, or no ledger.
        Retryable: it can't be opened or made now.
    """
    found = Database(path, _fill)
    with found.reading() as connection:
        current = is_current(connection, str(path))
    if not current:
        with found.writing() as connection:
            migrate(connection, str(path))
    return found


def is_current(connection: Connection, place: str) -> bool:
    """Tell whether a database has this code's layout; False asks for `migrate`.

    Raises:
        ConfigError: a newer Ratchet wrote it.
        Corrupted: it is no ledger.
    """
    number = database.layout_number(connection)
    if number > newest():
        raise ConfigError(
            f"The ledger {place} has layout {number}; this version of Ratchet reads layouts "
            f"up to {newest()}.",
            "Use the version of Ratchet that wrote it, or a newer one.",
        )
    if number < 1:
        raise Corrupted(
            f"{place} is not a ledger: it was truncated, or is another database.", REMEDY
        )
    return number == newest()


def migrate(connection: Connection, place: str) -> None:
    """Run every migration that is missing, in the caller's transaction; then refill."""
    if is_current(connection, place):
        return  # another process was first
    _run_missing(connection)
    refill(connection, read_chain(connection, place), place)


def refill(connection: Connection, events: list[Event], place: str) -> None:
    """Rebuild every projection from events whose chain is verified.

    Raises:
        Corrupted: names the first event that does not follow from those before it.
        NewerEvent: a newer Ratchet wrote one of them.
    """
    schema.metadata.drop_all(connection, tables=schema.projections)
    for index in (index for table in schema.projections for index in table.indexes):
        connection.execute(sa.schema.DropIndex(index, if_exists=True))  # of a renamed table
    schema.metadata.create_all(connection, tables=schema.projections)
    for event in events:
        try:
            apply(connection, read(event))
        except NewerEvent:
            raise
        except (RatchetError, SQLAlchemyError, *MALFORMED) as error:
            raise Corrupted(
                f"Event {event.seq} ({event.kind}) of the ledger {place} does not follow from "
                f"the events before it: {error}",
                REMEDY,
            ) from error


def scratch() -> AbstractContextManager[Connection]:
    """Open a new, empty ledger in memory."""
    return database.in_memory(_fill)


def _fill(connection: Connection) -> None:
    _run_missing(connection)
    schema.metadata.create_all(connection, tables=schema.projections)


def _run_missing(connection: Connection) -> None:
    before = database.layout_number(connection)
    for migration in MIGRATIONS:
        if migration.number > before:
            for statement in migration.statements:
                connection.execute(sa.text(statement))
            database.set_layout_number(connection, migration.number)
