"""What only reads the record starts quickly: it never loads PyTorch."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

EARLIER = Path(__file__).parents[1] / "earlier" / "root-2026-11.tar.xz"

COMMAND = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise AssertionError("torch was imported")

sys.meta_path.insert(0, NoTorch())
from components.cli.main import main
main()
"""


@pytest.mark.parametrize(
    "module",
    [
        "components.model.bundle",
        "components.model.answering",
        "components.model.serving",
        "components.operations.verification",
        "components.operations.explanation",
    ],
)
def test_importing_what_versions_are_loads_no_torch(module: str) -> None:
    program = f"import {module}, sys; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_command_that_only_helps_loads_no_library_of_numbers() -> None:
    program = "import components.cli.main, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert {"numpy", "pandas", "torch", "prefect", "mlflow"}.isdisjoint(done.stdout.split())


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("earlier")
    with tarfile.open(EARLIER) as archive:
        archive.extractall(place)  # ours; `filter` came with 3.11.4
    return place / "support"


@pytest.mark.parametrize(
    "asked",
    [("audit", "verify"), ("version", "explain", "2"), ("version", "list"), ("status",)],
    ids=" ".join,
)
def test_a_command_that_reads_the_record_loads_no_torch(
    earlier: Path, asked: tuple[str, ...]
) -> None:
    command = [sys.executable, "-c", COMMAND, "--root", str(earlier), *asked]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hook_finds_a_command_that_loads_it(earlier: Path) -> None:
    command = [sys.executable, "-c", COMMAND, "--root", str(earlier), "predict", "good"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "torch was imported" in done.stdout + done.stderr
