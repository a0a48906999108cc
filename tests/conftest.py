"""Every test runs with a home of its own, offline, and with no say of the user's settings."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.isolation import ISOLATED, quiet
from tests.pools import make_waiting
from tests.server import Server, serve
from tests.stream import add_exam, batch, copied, make_root, settle


def pytest_configure(config: pytest.Config) -> None:
    """Give the whole session an empty home before any library looks; subprocesses inherit it."""
    home = tempfile.mkdtemp(prefix="ratchet-home-")
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(ISOLATED):
            patch.delenv(name)
    for name, value in quiet(Path(home)).items():
        patch.setenv(name, value)
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    config.add_cleanup(patch.undo)


@pytest.fixture(scope="module", autouse=True)
def collect_little_garbage() -> None:
    """Spare the collector what the modules before loaded: it looked through all of it each time.

    By the end of the suite that took more than a second a time, and statsmodels asks for it in
    each Holm correction.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh root with a tiny random base."""
    return make_root(tmp_path / "root")


@pytest.fixture(scope="session")
def grown_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with an exam of 200 items and two promoted versions. Copy it, never write to it."""
    made = make_root(tmp_path_factory.mktemp("grown") / "root")
    add_exam(made, batch(made / "exam.jsonl", 900, 200))
    for seed in (1, 2):
        assert settle(made, batch(made / f"b{seed}.jsonl", seed)).action == "promoted"
    return made


@pytest.fixture
def grown(grown_once: Path, tmp_path: Path) -> Path:
    """A copy of the root with an exam of `mood` and two promoted versions."""
    return copied(grown_once, tmp_path / "root")


@pytest.fixture(scope="session")
def waiting_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose second batch is held for labels. Copy it, never write to it."""
    return make_waiting(tmp_path_factory.mktemp("waiting") / "root")


@pytest.fixture
def waiting(waiting_once: Path, tmp_path: Path) -> Path:
    """A copy of the root whose second batch is held for labels: about 20 questions."""
    return copied(waiting_once, tmp_path / "root")


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real Prefect server with a home of its own, one for the whole session."""
    with serve(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture
def prefect_here(prefect_server: Server) -> Iterator[Server]:
    """Let flows of this very process run against the server of the session."""
    with prefect_server.here():
        yield prefect_server
