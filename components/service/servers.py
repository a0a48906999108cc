"""The processes of an installation: MLflow, Prefect, a worker a root, and the served deployments.

Concept: the first root is the installation's home: its MLflow database and its Prefect database
serve all its roots, each of which is one model with a worker of its own. The pipeline writes to
MLflow's database itself; people come through the server, with a login.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from components.errors import ConfigError
from components.files import write_bytes
from components.operations.people import accounts_path, renew_grants
from components.operations.reconciliation import reconcile
from components.operations.registry_server import ROOTS
from components.registry import accounts, mlflow_pages, proxy_login
from components.registry.database import sqlite_path
from components.service.supervisor import Child
from components.workspace.root import Workspace, open_workspace
from components.workspace.secrets_file import read_secrets

PYTHON = sys.executable
APP = "ratchet"
"""What the entry point of our MLflow app is called, in pyproject.toml."""

LEASE_WAIT_SECONDS = 600.0
REST_SECONDS = 600
"""A worker that had work is started anew after so long without any: it holds half a gigabyte."""

AUTH_INI = "accounts.ini"
PASSWORDS = "mlflow.server.auth:authenticate_request_basic_auth"
PROXY = "components.registry.proxy_login:authenticate"
"""How MLflow learns who somebody is."""

_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104  (compared with, never bound to here)


def mlflow_url(ws: Workspace) -> str:
    """Return where people find MLflow."""
    return f"http://{_reached(ws)}:{ws.settings.service.mlflow_port}"


def model_page(ws: Workspace) -> str:
    """Return MLflow's page of the registered model."""
    return f"{mlflow_url(ws)}/{mlflow_pages.model_page(ws.settings.model.name)}"


def runs_page(ws: Workspace) -> str:
    """Return MLflow's table of a root's runs: every version, its outcome and accuracy."""
    return f"{mlflow_url(ws)}/{ws.registry.runs_page()}"


def prefect_url(ws: Workspace) -> str:
    """Return where people find Prefect."""
    return f"http://{_reached(ws)}:{ws.settings.service.prefect_port}"


def children(home: Workspace, roots: Sequence[Workspace]) -> list[Child]:
    """Return the processes of an installation, in the order in which they start.

    `roots`: all of them, `home` first.
    """
    api = {"PREFECT_API_URL": f"{prefect_url(home)}/api", **_prefect_home(home)}
    logs = home.mlruns / "logs"
    deployments = (PYTHON, "-m", "flows.deployments", *(str(ws.root) for ws in roots))
    workers = [_worker(ws, api) for ws in roots]
    served = Child("deployments", deployments, logs / "deployments.log", api)
    return [_mlflow(home, roots, logs), _prefect(home, logs), *workers, served]


def require_one_installation(home: Workspace, roots: Sequence[Workspace]) -> None:
    """Refuse roots that keep versions elsewhere, and two roots with one model name.

    Raises:
        ConfigError: names the root and the setting.
    """
    wanted, names = _database(home), dict[str, Path]()
    if wanted is None:
        raise ConfigError(
            f"{home.root}: `registry.tracking_uri` names a server on another machine.",
            "Run `ratchet up` there; here, `ratchet worker` is enough.",
        )
    for ws in roots:
        if _database(ws) != wanted:
            raise ConfigError(
                f"{ws.root} keeps its versions in another MLflow than {home.root}.",
                f"To join, set `registry.tracking_uri: sqlite:///{wanted}` there, and "
                "`registry.experiment` to a name of its own, and run `ratchet reconcile`, which "
                "registers its versions there.",
            )
        other = names.setdefault(ws.settings.model.name, ws.root)
        if other != ws.root:
            raise ConfigError(
                f"{other} and {ws.root} both call their model {ws.settings.model.name!r}.",
                "Set another `model.name` in the newer one, before its first batch.",
            )


def prepare(paths: Sequence[Path]) -> None:
    """Put every root right after a crash; make the first one's database, secrets and accounts.

    In a process of its own: what that loads is not needed while the servers run.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(_prepare, paths).result()


def _prepare(paths: Sequence[Path]) -> None:
    warnings.simplefilter("ignore")  # of libraries, about each other
    home, *others = (open_workspace(path) for path in paths)
    for ws in (home, *others):
        with ws.ledger.lease(ws.settings.model.name, LEASE_WAIT_SECONDS) as lease:
            reconcile(ws, lease)
        ws.incoming.mkdir(parents=True, exist_ok=True)
    secret = read_secrets(home.mlruns)
    path = accounts_path(home)
    accounts.ensure_admin(path, secret.admin_password)
    for ws in (home, *others):
        renew_grants(ws)
    login = PASSWORDS if home.settings.service.user_header is None else PROXY
    lines = [
        "[mlflow]",
        "default_permission = READ",
        f"database_uri = {accounts.address(path)}",
        f"authorization_function = {login}",
        "auth_cache_ttl_seconds = 60",
    ]
    write_bytes(home.mlruns / AUTH_INI, ("\n".join(lines) + "\n").encode())


def _mlflow(home: Workspace, roots: Sequence[Workspace], logs: Path) -> Child:
    service, secret = home.settings.service, read_secrets(home.mlruns)
    command = (
        PYTHON, "-m", "mlflow", "server", "--app-name", APP, "--workers", "1",
        "--host", service.host, "--port", str(service.mlflow_port),
        "--backend-store-uri", f"sqlite:///{_database(home)}",
        "--artifacts-destination", str(home.mlruns / "artifacts"),
    )  # fmt: skip
    environment = {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secret.session_key,
        "MLFLOW_AUTH_ADMIN_USERNAME": accounts.ADMIN,
        "MLFLOW_AUTH_ADMIN_PASSWORD": secret.admin_password,
        "MLFLOW_AUTH_CONFIG_PATH": str(home.mlruns / AUTH_INI),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        ROOTS: os.pathsep.join(str(ws.root) for ws in roots),
    }
    if service.user_header is not None:
        environment[proxy_login.USER_HEADER] = service.user_header
        environment[proxy_login.KEY] = secret.proxy_key
    health = f"{mlflow_url(home)}/health"
    return Child("mlflow", command, logs / "mlflow.log", environment, health)


def _prefect(home: Workspace, logs: Path) -> Child:
    service = home.settings.service
    command = (
        PYTHON, "-m", "prefect", "server", "start",
        "--host", service.host, "--port", str(service.prefect_port),
    )  # fmt: skip
    storage = "prefect.server.concurrency.lease_storage.filesystem"
    environment = {
        **_prefect_home(home),
        "PREFECT_API_URL": f"{prefect_url(home)}/api",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": storage,
        "PREFECT_SERVER_UI_API_URL": f"{prefect_url(home)}/api",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "true",
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }
    health = f"{prefect_url(home)}/api/health"
    return Child("prefect", command, logs / "prefect.log", environment, health)


def _worker(ws: Workspace, api: dict[str, str]) -> Child:
    """Return a root's worker: it may take as long as its batch takes to end."""
    ratchet = (PYTHON, "-m", "components.cli.main", "--root", str(ws.root))
    gather = ("--gather",) if ws.settings.service.train_at else ()
    command = (*ratchet, "worker", "--every", "2", "--rest", str(REST_SECONDS), *gather)
    name = f"worker of {ws.settings.model.name}"
    return Child(name, command, ws.mlruns / "logs" / "worker.log", api, stop_seconds=None)


def _prefect_home(home: Workspace) -> dict[str, str]:
    return {
        "PREFECT_HOME": str(home.mlruns / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }


def _database(ws: Workspace) -> Path | None:
    """Return the file of the MLflow database of a root; None where that is a server."""
    given = ws.settings.registry.tracking_uri
    return sqlite_path(given, ws.root) if given else (ws.mlruns / "mlflow.db").resolve()


def _reached(ws: Workspace) -> str:
    host = ws.settings.service.host
    return "127.0.0.1" if host in _ANYWHERE else host
