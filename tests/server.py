"""Real servers for tests, Prefect's and MLflow's: each on a port of its own, ended by its id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 180.0


@dataclass(frozen=True)
class Server:
    """A running server. `environment` is what a process needs to reach it."""

    url: str
    environment: dict[str, str]

    @contextmanager
    def here(self) -> Iterator[None]:
        """Let flows of this very process run against it."""
        from prefect.settings import (
            PREFECT_API_URL,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
            temporary_settings,
        )

        settings = {
            PREFECT_API_URL: self.url,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # joining its thread takes a second a flow
        }
        with temporary_settings(settings):
            yield


@contextmanager
def serve(home: Path, ui: bool = False) -> Iterator[Server]:
    """Start a server whose files lie under `home`, with pages if `ui`; end it with the block."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_UI_API_URL": url,
    }
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with _running([*command, "--ui" if ui else "--no-ui"], environment, url, home / "server.log"):
        yield Server(url, environment)


@contextmanager
def mlflow_ui(root: Path) -> Iterator[str]:
    """Start MLflow's pages over a root, as people do; yield their address."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    store = f"sqlite:///{root / 'mlruns' / 'mlflow.db'}"
    command = ["mlflow", "ui", "--backend-store-uri", store, "--port", str(port), "--workers", "1"]
    with _running(command, dict(os.environ), url, root / "mlruns" / "ui.log"):
        yield url


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], url: str, log: Path
) -> Iterator[None]:
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        _await(url, process, log)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"{url} did not come up:\n{log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
