"""MLflow's own database: opened quietly, created whole, its faults sorted.

Concept: MLflow migrates a fresh SQLite file in place and takes no lock, so two first
starts at once break it for good, and so does a kill in the middle. Ratchet lets MLflow
build the file beside its place, under a lock, and renames it in.

Promise: the database exists whole or not at all; no telemetry; no chatter on the
terminal; every fault that an operator can do something about becomes one of Ratchet's.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError, Corrupted, RatchetError, Retryable
from components.files import PART_SUFFIX
from components.places import folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

LINE_CHARS = 300
_SQLITE = "sqlite:///"
_FOLLOWED: dict[Path, tuple[int, int]] = {}
"""The file (device, inode) that this process has open at each place."""

_SQLITE_MAGIC = b"SQLite format 3\x00"
_NEEDED = {"alembic_version", "experiments", "runs", "registered_models", "model_versions"}
_RESTORE = (
    "Run `ratchet reconcile`: the old file is kept, and a new one is built from the ledger and "
    "the bundles."
)
_PACKAGES = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "pymysql": "PyMySQL",
    "pyodbc": "pyodbc",
}
"""Modules that SQLAlchemy imports to reach a database, and what to install for each."""

_FAULTS: tuple[tuple[str, type[RatchetError], str], ...] = (
    (
        r"table is locked|database is locked|api request to|connection refused|timed out",
        Retryable,
        "Run this again; nothing is registered twice.",
    ),
    (
        r"disk is full|disk i/o error|no space left|file too large|quota exceeded|failed to copy",
        Retryable,
        "Free up space on the disk and run this again.",
    ),
    (
        r"malformed|not a database|no such (table|column)|registered model with name",
        Corrupted,
        _RESTORE,
    ),
    (
        r"cannot disable workspaces",
        Corrupted,
        "Run `ratchet reconcile`: it restores what belongs to Ratchet; move the rest in MLflow.",
    ),
    (
        r"out-of-date database schema|can't locate revision",
        ConfigError,
        "Back it up, then run `mlflow db upgrade` on it, or install the MLflow that wrote it.",
    ),
    (
        r"readonly database|unable to open database|permission.denied|unauth",
        ConfigError,
        "Give this user write permission there.",
    ),
    (
        r"can't load plugin",
        ConfigError,
        "Correct `registry.tracking_uri` in params.yaml; without +DRIVER the usual one is used.",
    ),
)
"""Signs in MLflow's messages (lower case), what they mean, and what to do."""


def sqlite_path(uri: str, root: Path) -> Path | None:
    """Return the file behind a `sqlite:///` URI, relative ones counted from `root`.

    Returns None for a server or another database.

    Raises:
        ConfigError: a path that MLflow cannot express.
    """
    if not uri.startswith(_SQLITE):
        return None
    path = folder(root, uri.removeprefix(_SQLITE)).resolve()
    if set(str(path)) & set("#?%"):
        raise ConfigError(f"MLflow cannot use {path}: it contains #, ? or %.", "Rename the folder.")
    return path


def is_present(path: Path) -> bool:
    """Tell whether MLflow's database lies at `path`. An empty file counts as none.

    Raises:
        Corrupted: something else lies there: MLflow would write its tables into any database,
            and take 100 seconds over any other file.
    """
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        if file.read(len(_SQLITE_MAGIC)) != _SQLITE_MAGIC:
            raise Corrupted(f"{path} is not an SQLite database.", _RESTORE)
    try:
        missing = missing_tables(path)
    except sqlite3.DatabaseError:  # damaged or locked: whoever uses it says so
        return True
    if missing:
        raise Corrupted(
            f"{path} is no database of MLflow: table {min(missing)} is missing.", _RESTORE
        )
    return True


def missing_tables(path: Path) -> set[str]:
    """Return the names of MLflow's tables that the SQLite database at `path` lacks."""
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return _NEEDED - {name for (name,) in tables}


def aliases(path: Path, model: str) -> dict[str, int]:
    """Return where the aliases of a registered model point, read from MLflow's own table."""
    statement = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"
    with translated(str(path)), closing(sqlite3.connect(path, timeout=20)) as connection:
        return {alias: int(version) for alias, version in connection.execute(statement, (model,))}


def create(path: Path, artifacts: Path) -> None:
    """Build MLflow's database beside `path` and rename it in. The caller holds the lock."""
    quiet()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f"{path.name}.*{PART_SUFFIX}*"):
        leftover.unlink()
    part = path.with_name(f"{path.name}.{os.getpid()}{PART_SUFFIX}")
    with translated(str(path)), _unsynced(part):
        store = SqlAlchemyStore(f"{_SQLITE}{part}", artifacts.as_uri())  # type: ignore[no-untyped-call]
        store.engine.dispose()
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def move_artifacts(path: Path, old: str, new: str) -> None:
    """Put every artifact address under `old` under `new`: the root was moved or copied.

    MLflow stores absolute addresses only. Left alone, a copied root would write into the
    artifacts of the one it was copied from.
    """
    columns = (
        ("experiments", "artifact_location"),
        ("runs", "artifact_uri"),
        ("model_versions", "source"),
        ("model_versions", "storage_location"),
    )
    with translated(str(path)), closing(sqlite3.connect(path)) as connection, connection:
        for table, column in columns:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?)"  # noqa: S608
                f" WHERE substr({column} || '/', 1, ?) = ?",
                (new, len(old) + 1, len(old) + 1, f"{old}/"),
            )


def connect(uri: str) -> MlflowClient:
    """Return a client of `uri`; no global MLflow state is read or set."""
    quiet()
    from mlflow import MlflowClient

    class Client(MlflowClient):
        def _raise_if_prompt(self, name: str) -> None:
            """Spare the question whether a model is a prompt: it reads every version of it."""

    with translated(uri):
        return Client(tracking_uri=uri, registry_uri=uri)


def follow(client: MlflowClient, path: Path) -> None:
    """Let go of connections to a database file that was replaced since: its name leads elsewhere.

    MLflow keeps them per process and address, so a worker would go on in a renamed file.
    """
    state = path.stat()
    now = state.st_dev, state.st_ino
    if _FOLLOWED.setdefault(path, now) != now:
        registry = client._get_registry_client()  # type: ignore[no-untyped-call]
        for store in (client._tracking_client.store, registry.store):
            store.engine.dispose()
        _FOLLOWED[path] = now


def quiet() -> None:
    """Keep MLflow from calling home and from writing to the terminal."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import mlflow  # noqa: F401  (it configures its loggers when imported)

    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _unsynced(part: Path) -> Iterator[None]:
    """Spare `part`, and it alone, the flush after each of some thousand statements."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        if str(part) not in map(str, arguments):
            return None
        connection = dialect.connect(*arguments, **options)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    event.listen(Engine, "do_connect", connect)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", connect)


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn MLflow's faults at `place` into Ratchet's; what is unknown stays as it is."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise ConfigError(
            f"`registry.tracking_uri` is {place!r}: its driver {error.name} is not installed.",
            f"Run `pip install {_PACKAGES[error.name]}`.",
        ) from error
    except OSError as error:
        remedy = "Check the disk and the permissions there, then run this again."
        raise Retryable(f"{place}: {error}.", remedy) from error
    except Exception as error:
        from mlflow.exceptions import MlflowException  # not before: reading SQLite needs no MLflow
        from sqlalchemy.exc import SQLAlchemyError

        if not isinstance(error, (MlflowException, SQLAlchemyError, sqlite3.Error)):
            raise
        text = str(error)
        for signs, kind, remedy in _FAULTS:
            if re.search(signs, text.casefold()):
                raise kind(f"{place}: {_first_line(text)}.", remedy) from error
        raise


def _first_line(text: str) -> str:
    line = text.strip().splitlines()[0].rstrip(".")
    return line if len(line) <= LINE_CHARS else f"{line[:LINE_CHARS].rpartition(' ')[0]} ... (cut)"
