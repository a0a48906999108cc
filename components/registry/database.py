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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import ConfigError, Corrupted, RatchetError, Retryable
from components.files import PART_SUFFIX

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = "sqlite:///"
_SQLITE_MAGIC = b"SQLite format 3\x00"
_AGAIN = "Run it again; nothing was registered twice."
_FAULTS: tuple[tuple[tuple[str, ...], type[RatchetError], str], ...] = (
    (("database is locked", "database table is locked"), Retryable, _AGAIN),
    (("api request to", "connection refused", "timed out"), Retryable, _AGAIN),
    (("malformed", "not a database", "no such table", "no such column"), Corrupted,
     "Restore the database from a backup; `ratchet reconcile` then puts the aliases right."),
    (("out-of-date database schema", "can't locate revision"), ConfigError,
     "Back the database up, then run `mlflow db upgrade` on it, or install its MLflow."),
    (("readonly database", "unable to open database", "permission denied", "unauthorized",
      "permission_denied", "unauthenticated"), ConfigError,
     "Give this user the right to write there."),
    (("disk is full", "disk i/o error", "no space left"), Retryable,
     "Free space on the disk and run it again."),
)


def sqlite_path(uri: str, root: Path) -> Path | None:
    """Return the file behind a `sqlite:///` URI, relative ones counted from `root`.

    Returns None for a server or another database.

    Raises:
        ConfigError: the URI names a store that MLflow no longer has.
    """
    if uri.startswith(_SQLITE):
        return (root / uri.removeprefix(_SQLITE)).resolve()
    scheme = uri.partition("://")[0].partition("+")[0]
    if scheme in {"http", "https", "postgresql", "mysql", "mssql"}:
        return None
    raise ConfigError(
        f"`registry.tracking_uri` is {uri!r}.",
        "Name a sqlite:///, http(s)://, postgresql://, mysql:// or mssql:// address, "
        "or leave it empty for mlruns/mlflow.db.",
    )


def is_present(path: Path) -> bool:
    """Tell whether a database lies at `path`. An empty file counts as none.

    Raises:
        Corrupted: something else lies there. (Asked of MLflow, this takes 100 seconds.)
    """
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        if file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC:
            return True
    raise Corrupted(
        f"{path} is not an SQLite database.",
        "Restore it from a backup; `ratchet reconcile` then puts the aliases right.",
    )


def create(path: Path, artifacts: Path) -> None:
    """Build MLflow's database beside `path` and rename it in. The caller holds the lock."""
    quiet()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f"{path.name}.*{PART_SUFFIX}*"):
        leftover.unlink()
    part = path.with_name(f"{path.name}.{os.getpid()}{PART_SUFFIX}")
    with translated(str(path)):
        SqlAlchemyStore(f"{_SQLITE}{part}", artifacts.as_uri()).engine.dispose()
    os.replace(part, path)


def connect(uri: str) -> MlflowClient:
    """Return a client of `uri`; no global MLflow state is read or set."""
    quiet()
    from mlflow import MlflowClient

    with translated(uri):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def quiet() -> None:
    """Keep MLflow from calling home and from writing to the terminal."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import mlflow  # noqa: F401  (it configures its loggers when imported)

    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn MLflow's faults at `place` into Ratchet's; what is unknown stays as it is."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except OSError as error:
        raise Retryable(f"{place}: {error}.", "Mend the disk or the rights there, then run it again.") from error
    except (MlflowException, SQLAlchemyError) as error:
        text = str(error)
        for signs, kind, remedy in _FAULTS:
            if any(sign in text.casefold() for sign in signs):
                raise kind(f"{place}: {_first_line(text)}.", remedy) from error
        raise


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300].rstrip(".") if text.strip() else "unknown fault"
