"""The SQLite database of a ledger; the rest of the package does not depend on SQLite.

Concept: writers begin with BEGIN IMMEDIATE, so two of them never read the same tail; readers see
one instant. The file is always created in one step, so an empty file is damage. Everything else
in this package uses SQLAlchemy Core, so that another database could be used.

Promise: every database error is raised as one of Ratchet's errors; a lost file is never silently
recreated.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError, MultipleResultsFound, NoResultFound

from components.errors import Corrupted, RatchetError, Retryable
from components.files import write_bytes
from components.ledger.chain import REMEDY
from components.sqlite_schema import INTERNAL, Defined

BUSY_SECONDS = 30.0

_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNUSABLE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)


class Database:
    """One file, made where it is missing: `fill` writes the tables of a new one.

    Raises:
        Retryable: it can't be made now.
    """

    def __init__(self, path: Path, fill: Callable[[Connection], None]) -> None:
        self.path = path.absolute()
        self._engine = sa.create_engine("sqlite://", creator=self._connect, poolclass=sa.NullPool)
        self._writer = self._engine.execution_options(write=True)
        sa.event.listen(self._engine, "begin", _begin)
        self._make(fill)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open one read transaction: all that is read in it is of one instant."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open one immediate write transaction; an exception undoes all of it."""
        with self._translated(), self._writer.begin() as connection:
            yield connection

    def _make(self, fill: Callable[[Connection], None]) -> None:
        try:
            if not self.path.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(f"{self.path}.lock"):
                    if not self.path.exists():
                        write_bytes(self.path, _filled(fill))
        except OSError as error:
            raise Retryable(
                f"The ledger {self.path} can't be created: {error}.",
                "Check the folder's permissions and free space, then run the same command again.",
            ) from None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",  # never makes a file
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # the driver would begin deferred; `_begin` does it instead
        )
        connection.execute("PRAGMA synchronous = EXTRA")  # a commit also survives a power cut
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            found = self._fault(error)
            if found is None:
                raise
            raise found from None
        except (NoResultFound, MultipleResultsFound) as error:
            raise Corrupted(f"The ledger {self.path} contradicts itself: {error}", REMEDY) from None
        except UnicodeDecodeError as error:  # SQLite quotes what it read in place of a table's name
            raise Corrupted(f"The ledger {self.path} is damaged: {error}.", REMEDY) from None

    def _fault(self, error: DatabaseError) -> RatchetError | None:
        """Return what a fault of SQLite means to the operator; None for a defect of the code."""
        if isinstance(error.orig, sqlite3.ProgrammingError):
            return None
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _LOCKED:
            return Retryable(
                f"The ledger {self.path} stayed locked for {BUSY_SECONDS:.0f} s.",
                "Find the process that holds it, then run the same command again.",
            )
        if code in _UNUSABLE:
            return Retryable(
                f"The ledger {self.path} can't be used: {error.orig}.",
                "Check the file, its permissions and free space, then run the same command again.",
            )
        if code == sqlite3.SQLITE_CONSTRAINT:
            return Retryable(
                f"The ledger {self.path} already has this ({error.orig}).",
                "Nothing was written; run the same command again.",
            )
        return Corrupted(
            f"The ledger {self.path} is damaged: {error.orig}.",
            "Run `ratchet audit verify` to see what is damaged.",
        )


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def in_memory(fill: Callable[[Connection], None]) -> Iterator[Connection]:
    """Open a database of its own in memory, with the tables that `fill` writes."""
    engine = sa.create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            fill(connection)
            yield connection
    finally:
        engine.dispose()


def _filled(fill: Callable[[Connection], None]) -> bytes:
    with in_memory(fill) as connection:
        driver = _driver(connection)
        driver.commit()
        return driver.serialize()


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def layout_number(connection: Connection) -> int:
    """Return the number that the database was given last; 0 before any."""
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def set_layout_number(connection: Connection, number: int) -> None:
    """Give the database a number, in the caller's transaction."""
    connection.exec_driver_sql(f"PRAGMA user_version = {number}")


def damage(connection: Connection) -> str | None:
    """Say what is wrong with the file itself; None where it is whole."""
    said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    return None if said == ["ok"] else str(said[0])


def defined(connection: Connection) -> dict[str, Defined]:
    """Return what the database defines, by name: tables, indexes, views and triggers."""
    asked = "SELECT type, name, tbl_name, ifnull(sql, '') FROM sqlite_master"
    found = [Defined(*row) for row in connection.exec_driver_sql(asked)]
    return {each.name: each for each in found if not each.name.startswith(INTERNAL)}


def among(values: Iterable[str]) -> sa.Select[Any]:
    """Return texts as a subquery: one parameter, however many there are."""
    listed = sa.func.json_each(json.dumps(sorted(set(values)))).table_valued("value")
    return sa.select(listed.c.value)


def as_stored(connection: Connection) -> Connection:
    """Let this connection return texts as they lie in the file, broken UTF-8 included.

    A text that is no UTF-8 comes back with lone surrogates, which nothing stored has; a BLOB
    stays bytes. So whatever was changed compares as different.
    """
    _driver(connection).text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return connection
