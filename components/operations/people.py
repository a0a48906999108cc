"""People with an account on this installation's servers, and what each may do.

Concept: MLflow checks who somebody is; the ledger says what that person may do. Without any person
in it, commands on this machine take the word of whoever runs them; once somebody is enrolled, a
word on a version needs a login.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import ConfigError
from components.ledger import views
from components.ledger.events import PersonEnrolled, PersonRemoved
from components.registry import accounts
from components.registry.database import sqlite_path
from components.registry.server_rules import APPROVER, PIPELINE, ROLES, VIEWER
from components.workspace.root import Workspace

ACCOUNTS = "accounts.db"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What came of enrolling somebody; `password`: of a new account, shown this once."""

    name: str
    roles: tuple[str, ...]
    password: str | None


def accounts_path(ws: Workspace) -> Path:
    """Return where the accounts of this root's MLflow lie: beside its database.

    Raises:
        ConfigError: MLflow's database is on another machine.
    """
    given = ws.settings.registry.tracking_uri
    path = sqlite_path(given, ws.root) if given else ws.mlruns / "mlflow.db"
    if path is None:
        raise ConfigError(
            f"The accounts of {given} are kept on its machine.", "Enroll people where it runs."
        )
    return path.with_name(ACCOUNTS)


def enroll(ws: Workspace, name: str, roles: Sequence[str]) -> Enrolled:
    """Give somebody an account with these roles, and no others from now on; a new one is a viewer.

    Raises:
        ConfigError: no role is given to who has some, there is no such role, two roles exclude each
            other, or it is no name.
    """
    if not roles and name in views.people(ws.ledger):
        had = ", ".join(sorted(views.people(ws.ledger)[name]))
        raise ConfigError(
            f"{name} is enrolled already, as {had}.",
            "Name all roles from now on with --role, which may be repeated.",
        )
    wanted = tuple(sorted({*roles} or {VIEWER}))
    if unknown := [role for role in wanted if role not in ROLES]:
        raise ConfigError(f"There is no role {unknown[0]!r}.", f"Roles: {', '.join(ROLES)}.")
    if {APPROVER, PIPELINE} <= {*wanted}:
        raise ConfigError(
            f"{name} can't be approver and pipeline: nobody approves what they register.",
            "Use two accounts.",
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}", name):
        raise ConfigError(
            f"{name!r} can't be the name of an account.",
            "Use at most 100 letters, digits, and . _ @ + -.",
        )
    if name == accounts.ADMIN:
        raise ConfigError(
            f"The account {name} manages MLflow, and may not approve.",
            "Use an account of your own.",
        )
    experiments = ws.registry.review_experiments()
    password = accounts.enroll(accounts_path(ws), name, wanted, experiments)
    ws.ledger.append(PersonEnrolled(name=name, roles=wanted), None)
    return Enrolled(name, wanted, password)


def renew_grants(ws: Workspace) -> None:
    """Let MLflow grant everybody what the roles in the ledger mean today."""
    enrolled = views.people(ws.ledger)
    experiments = ws.registry.review_experiments() if enrolled else {}
    for name, roles in enrolled.items():
        accounts.enroll(accounts_path(ws), name, roles, experiments)


def new_password(ws: Workspace, name: str) -> str:
    """Give somebody another password and return it.

    Raises:
        ConfigError: nobody of that name is enrolled.
    """
    _require(ws, name)
    password = accounts.new_password()
    accounts.set_password(accounts_path(ws), name, password)
    return password


def remove(ws: Workspace, name: str) -> None:
    """Take somebody's account away; what this person said stays said.

    Raises:
        ConfigError: nobody of that name is enrolled.
    """
    _require(ws, name)
    ws.ledger.append(PersonRemoved(name=name), None)
    accounts.remove(accounts_path(ws), name)


def logged_in(ws: Workspace) -> tuple[str | None, frozenset[str]]:
    """Return who has logged in by MLFLOW_TRACKING_USERNAME, and what this person is; None: nobody.

    Raises:
        ConfigError: the password is not this person's.
    """
    name = os.environ.get("MLFLOW_TRACKING_USERNAME")
    enrolled = views.people(ws.ledger)
    if not name or not enrolled:
        return None, frozenset()
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if not accounts.is_known(accounts_path(ws), name, password):
        raise ConfigError(
            f"MLFLOW_TRACKING_PASSWORD is not {name}'s password.",
            f"`ratchet person password {name}` makes a new one.",
        )
    return name, enrolled.get(name, frozenset())


def _require(ws: Workspace, name: str) -> None:
    if name not in views.people(ws.ledger):
        raise ConfigError(
            f"Nobody called {name!r} is enrolled.", "`ratchet person list` shows all."
        )
