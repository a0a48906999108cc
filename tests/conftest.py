"""Every test runs with a home of its own, offline, and with no say of the user's settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stream import make_root


@pytest.fixture(scope="session", autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the whole session an empty home; subprocesses inherit it."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "PREFECT_", "DVC_", "GIT_", "RATCHET_")):
            patch.delenv(name)
    for name, value in {
        "HOME": str(home),
        "PREFECT_HOME": str(home / ".prefect"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        patch.setenv(name, value)
    yield home
    patch.undo()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh root with a tiny random base."""
    return make_root(tmp_path / "root")
