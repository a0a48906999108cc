"""Accounts on MLflow's server: who may log in, and what MLflow lets them do.

Concept: an account is a row in MLflow's own database of users. Its grants follow from its roles;
what MLflow can't tell apart is left to `server_rules`.

Promise: a password is made here, handed out once and kept nowhere but as MLflow's hash.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.registry import database
from components.registry.server_rules import APPROVER, PIPELINE

ADMIN = "admin"
PASSWORD_BYTES = 18

_VERSIONS = ("registered_model_version", "*")
_MODELS = ("registered_model", "*")
_EXPERIMENTS = ("experiment", "*")
GRANTS = {
    APPROVER: {_VERSIONS: "EDIT"},
    PIPELINE: {_MODELS: "MANAGE", _VERSIONS: "EDIT", _EXPERIMENTS: "EDIT"},
}
"""Role -> (kind, pattern) of what it may change -> MLflow's word for it; all may read."""


def address(path: Path) -> str:
    """Return the address of the database of users at `path`, as MLflow's settings want it."""
    return f"sqlite:///{path}"


def ensure_admin(path: Path, password: str) -> None:
    """Make the account that manages MLflow, with this password from now on."""
    with _store(path) as store:
        if not store.has_user(ADMIN):
            store.create_user(ADMIN, password, is_admin=True)
        elif not store.authenticate_user(ADMIN, password):
            store.update_user(ADMIN, password=password)


def enroll(
    path: Path, name: str, roles: Collection[str], experiments: Mapping[str, str]
) -> str | None:
    """Give somebody an account with these roles; return its password if it is new.

    `experiments`: role -> the one where its people are asked, and may answer.

    Raises:
        ConfigError: MLflow takes no such name.
    """
    with _store(path) as store:
        password = None
        if not store.has_user(name):
            password = new_password()
            store.create_user(name, password)
        asked = {
            ("experiment", found): "EDIT" for role, found in experiments.items() if role in roles
        }
        wanted = {grant: kind for role in roles for grant, kind in GRANTS.get(role, {}).items()}
        wanted |= asked
        places = [("experiment", found) for found in experiments.values()]
        rest = [_VERSIONS, _MODELS, _EXPERIMENTS] if password else []  # else another root's people
        for kind, pattern in {*wanted, *places, *rest}:
            store.grant_user_permission(name, kind, pattern, wanted.get((kind, pattern), "READ"))
        return password


def set_password(path: Path, name: str, password: str) -> None:
    """Give an account another password."""
    with _store(path) as store:
        store.update_user(name, password=password)


def new_password() -> str:
    """Return a password that nobody has."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def remove(path: Path, name: str) -> None:
    """Remove an account; one that is not there is fine."""
    with _store(path) as store:
        if store.has_user(name):
            store.delete_user(name)


def is_known(path: Path, name: str, password: str) -> bool:
    """Return whether this is somebody's password."""
    if not path.exists():
        return False
    with _store(path) as store:
        return bool(store.authenticate_user(name, password))


@contextmanager
def _store(path: Path) -> Iterator[Any]:
    """Open the database of users, made where missing; MLflow's refusals are told in one line."""
    database.quiet()
    from filelock import FileLock
    from mlflow.exceptions import MlflowException
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore()
    with FileLock(path.with_name(f"{path.name}.lock")), database.translated(str(path)):
        store.init_db(address(path))
        path.chmod(0o600)
        try:
            yield store
        except MlflowException as error:
            raise ConfigError(
                f"MLflow refuses this account: {str(error).splitlines()[0]}.",
                "Choose a name of letters, digits, dots and dashes.",
            ) from error
        finally:
            store.engine.dispose()
