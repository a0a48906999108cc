"""Where the registry lies and how it is reached: address, client, lock, staging folder.

Concept: `Connection` is what the registry's rooms share. MLflow's client is made on first
use; every call through it has its faults sorted.

Promise: a missing database is reported, never recreated just by looking at it; the lock falls
with its process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import ConfigError, Corrupted, Retryable
from components.registry import database

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK_TIMEOUT_SECONDS = 300.0


class Connection:
    """The way to MLflow of one root.

    Args:
        tracking_uri: MLflow's address; None means `mlflow.db` in `folder`.
        folder: `mlruns` of the root.
    """

    def __init__(self, tracking_uri: str | None, folder: Path) -> None:
        self.folder = folder.resolve()
        self.artifacts = self.folder / "artifacts"
        given = tracking_uri or f"sqlite:///{self.folder / 'mlflow.db'}"
        self.file = database.sqlite_path(given, self.folder.parent)
        self.owns_database = self.file == (self.folder / "mlflow.db").resolve()
        self.uri = given if self.file is None else f"sqlite:///{self.file}"
        self._connected: MlflowClient | None = None

    @contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """Yield the client with faults translated; never let MLflow make a new database."""
        self.require_database()
        if self._connected is None:
            self._connected = database.connect(self.uri)
        if self.file is not None:
            database.follow(self._connected, self.file)
        with database.translated(self.uri):
            yield self._connected

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the registry of this root; the lock falls with its process."""
        from filelock import FileLock, Timeout

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.folder / "registry.lock"
        try:
            with FileLock(lock, timeout=LOCK_TIMEOUT_SECONDS):
                yield
        except Timeout as error:
            raise Retryable(
                f"{lock} is held by another process.", "Wait for it to finish, then run this again."
            ) from error

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Yield an empty folder; the lock is held, so what lies there is a dead one's."""
        folder = self.folder / "registry.staging"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def require_database(self) -> None:
        """Raise `Corrupted` where the database file is gone."""
        if not self.has_database():
            raise self.gone("the database")

    def has_database(self) -> bool:
        """Tell whether there is a database; a server counts as one.

        Raises:
            Corrupted: something else lies at the usual place.
            ConfigError: something else lies where the settings lead.
        """
        try:
            return self.file is None or database.is_present(self.file)
        except Corrupted as other:
            if self.owns_database:
                raise
            raise self.not_replaced(other.message) from None

    def not_replaced(self, found: str) -> ConfigError:
        """Return the error that leaves alone what lies where the settings lead."""
        return ConfigError(
            f"`registry.tracking_uri` is {self.uri!r}: {found}",
            "Correct it in params.yaml. If the file is MLflow's and damaged, move it away and run "
            "`ratchet reconcile`.",
        )

    def gone(self, what: str) -> Corrupted:
        """Return the error that says that `what` is not there, and what to do."""
        rebuilt = "Run `ratchet reconcile`: it is rebuilt from the ledger and the bundles."
        restored = "Restore the server's database from a backup, then run `ratchet reconcile`."
        return Corrupted(f"{self.uri}: {what} is missing.", rebuilt if self.file else restored)
