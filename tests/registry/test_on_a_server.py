"""A registry behind MLflow's own server: what its calls can put right is, the rest is said."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.registry_state import registry_differences
from tests.stream import PARAMS, batch, make_root, settle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    stores = ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    files = ["--artifacts-destination", str(folder / "files")]
    place = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(
        [*command, *stores, *files],
        env={**os.environ, **place, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait(address: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(address, timeout=2).read()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise AssertionError("the server did not start")


def test_on_a_server_changes_are_found_and_put_right_as_far_as_it_lets(
    server: str, tmp_path: Path
) -> None:
    params = f"{PARAMS}\nregistry: {{tracking_uri: '{server}'}}\n"
    root = make_root(tmp_path / "root", params)
    assert settle(root, batch(root / "b1.jsonl", 1)).action == "promoted"
    assert list(registry_differences(open_workspace(root))) == []
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    run = client.get_model_version("tiny", "1").run_id
    client.update_model_version("tiny", "1", "fine")
    client.transition_model_version_stage("tiny", "1", "Production")
    client.set_model_version_tag("tiny", "1", "ratchet.bundle", "x")
    client.set_model_version_tag("tiny", "1", "ratchet.extra", "x")
    client.set_tag(run, "ratchet.batch", "x")
    client.delete_registered_model_alias("tiny", "champion")
    client.delete_run(run)
    assert len(list(registry_differences(open_workspace(root)))) == 7

    done = ratchet(root, "reconcile", "--json")

    assert done.code == 0, done.err
    assert len(done.facts["done"]) == 7
    assert list(registry_differences(open_workspace(root))) == []

    client.log_metric(run, "bundle_bytes", 0.25)
    [line] = ratchet(root, "reconcile", "--json").facts["done"]
    assert line.startswith("not changed") and "bundle_bytes" in line
