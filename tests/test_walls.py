"""The walls between the rooms: what may import what, and that it is true at run time too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GATE_MAY_IMPORT = {"numpy", "scipy"} | sys.stdlib_module_names

LINT = "from importlinter.cli import lint_imports_command as lint; lint()"
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys

class NoPrefect:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "prefect":
            raise ImportError("prefect is absent here")

sys.meta_path.insert(0, NoPrefect())
import components
names = [found.name for found in pkgutil.walk_packages(components.__path__, "components.")]
for name in names:
    if not name.endswith(".__main__"):
        importlib.import_module(name)
print(len(names))
"""


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python program in `folder`, with the packages of that folder."""
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=300
    )


def test_every_contract_of_the_walls_is_kept() -> None:
    done = run(LINT, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("components/data/breach.py", "def late():\n    from prefect import flow\n"),
        ("components/data/breach.py", "import flows\n"),
        ("components/report/breach.py", "import mlflow.pyfunc\n"),
        ("flows/breach.py", "import mlflow\n"),
        ("components/training/breach.py", "from dvc.repo import Repo\n"),
        ("components/registry/breach.py", "import great_expectations\n"),
        ("components/gate/breach.py", "from components.settings import GateSettings\n"),
    ],
)
def test_a_breach_is_found_and_named(tmp_path: Path, module: str, line: str) -> None:
    """The contracts can fail: each kind of breach, put into a copy of the packages' outline."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for package in ("components", "flows"):
        for source in (ROOT / package).rglob("*.py"):
            copy = tmp_path / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.touch()
    (tmp_path / module).write_text(line)
    done = run(LINT, tmp_path)
    assert done.returncode == 1
    assert "1 broken" in done.stdout
    assert module.removesuffix(".py").replace("/", ".") in done.stdout


def test_the_gate_imports_nothing_but_the_standard_library_numpy_and_scipy() -> None:
    import grimp

    graph = grimp.build_graph("components", include_external_packages=True, cache_dir=None)
    gate = graph.find_descendants("components.gate") | {"components.gate"}
    imported = {name for module in gate for name in graph.find_modules_directly_imported_by(module)}
    assert {name.partition(".")[0] for name in imported - gate} <= GATE_MAY_IMPORT


def test_every_component_imports_without_prefect() -> None:
    done = run(IMPORT_EVERYTHING, ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 10
