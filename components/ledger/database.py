"""The SQLite file of a ledger: made in one step, read and written in whole transactions.

Concept: writers begin with BEGIN IMMEDIATE, so two of them never read the same tail; readers
see one instant. The file is only ever made whole, so an empty one is damage.

Promise: every fault of the database leaves as one of Ratchet's errors; no file is made where
one got lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError, MultipleResultsFound, NoResultFound

from components.errors import Corrupted, RatchetError, Retryable
from components.files import write_bytes
from components.ledger import layout
from components.ledger.chain import REMEDY

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
    """One ledger file, made where it is missing and brought to the layout of this code.

    Raises:
        ConfigError: a newer Ratchet wrote it.
        Corrupted: it is empty, or no ledger.
        Retryable: it can't be opened or made now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._engine = sa.create_engine("sqlite://", creator=self._connect, poolclass=sa.NullPool)
        self._writer = self._engine.execution_options(write=True)
        sa.event.listen(self._engine, "begin", _begin)
        self._make()
        with self.reading() as connection:
            current = layout.is_current(connection, str(path))
        if not current:
            with self.writing() as connection:
                layout.migrate(connection, str(path))

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

    def _make(self) -> None:
        try:
            if not self.path.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(f"{self.path}.lock"):
                    if not self.path.exists():
                        write_bytes(self.path, _empty_ledger())
        except OSError as error:
            raise Retryable(
                f"The ledger {self.path} can't be made: {error}.",
                "Check the folder's rights and free space, then run the same command again.",
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
                "Check the file, its rights and free space, then run the same command again.",
            )
        if code == sqlite3.SQLITE_CONSTRAINT:
            return Retryable(
                f"The ledger {self.path} knows this already ({error.orig}).",
                "Nothing was written; run the same command again.",
            )
        return Corrupted(
            f"The ledger {self.path} is damaged: {error.orig}.",
            "Run `ratchet audit verify`, which names what does not hold.",
        )


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _empty_ledger() -> bytes:
    with layout.scratch() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.commit()
        return driver.serialize()


def as_stored(connection: Connection) -> Connection:
    """Let this connection return texts as they lie in the file, broken UTF-8 included.

    A text that is no UTF-8 comes back with lone surrogates, which nothing stored has; a BLOB
    stays bytes. So whatever was changed compares as different.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return connection
