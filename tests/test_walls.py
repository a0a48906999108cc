"""The walls between the rooms: what may import what, and that it is true at run time too."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
GATE_MAY_IMPORT = {"numpy", "scipy"} | sys.stdlib_module_names
CEILINGS_ONLY = {"fastapi"}  # declared for its version alone: pyproject.toml says why

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

CLIMBS = """
import grimp

graph = grimp.build_graph("components", "flows", cache_dir=None)
for module in sorted(graph.modules):
    for other in sorted(graph.find_modules_directly_imported_by(module)):
        if f"{module}.".startswith(f"{other}.") or "." not in module:
            print(f"{module} imports {other}")
"""
"""Prints imports of a package by what lies in it, and by the two packages that hold all others.

Import-linter's contracts look past both, and either closes a circle.
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
        ("components/model/breach.py", "from components.training.loop import descend\n"),
        ("components/training/breach.py", "from components.evaluation import scoring\n"),
        ("components/workspace/breach.py", "from components.pipeline import arrival\n"),
        ("flows/breach.py", "def late():\n    from components.cli.main import cli\n"),
    ],
)
def test_a_breach_is_found_and_named(tmp_path: Path, module: str, line: str) -> None:
    """The contracts can fail: each kind of breach, put into a copy of the packages' outline."""
    done = lint_outline(tmp_path, {module: line})
    assert done.returncode == 1
    assert "1 broken" in done.stdout
    assert dotted(module) in done.stdout


FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


@pytest.mark.parametrize(
    ("folder", "other", "guard"),
    [
        ("components/gate", "components/gate", ""),
        ("components/gate", "components/gate", FOR_TYPES),
        ("components/ledger", "components/ledger/views", ""),
        ("components/model/heads", "components/model/heads", ""),
        ("flows", "flows", ""),
    ],
)
def test_a_circle_of_imports_is_found_and_named(
    tmp_path: Path, folder: str, other: str, guard: str
) -> None:
    there, back = f"{folder}/breach.py", f"{other}/back.py"
    breach = {there: f"import {dotted(back)}\n", back: f"{guard}import {dotted(there)}\n"}
    done = lint_outline(tmp_path, breach)
    assert done.returncode == 1
    assert "1 broken" in done.stdout
    assert f"No cycles are allowed in {dotted(folder)}.\n" in done.stdout


def test_no_module_imports_a_package_that_it_lies_in() -> None:
    done = run(CLIMBS, ROOT)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("components/__init__.py", "from components.cli import main\n"),
        (
            "components/settings/section.py",
            "def f():\n    from components.settings import Settings\n",
        ),
        ("components/errors.py", "def f():\n    import components\n"),
        ("flows/steps.py", "import flows\n"),
    ],
)
def test_such_an_import_is_found_and_named(tmp_path: Path, module: str, line: str) -> None:
    outline(tmp_path, {module: line})
    found = run(CLIMBS, tmp_path).stdout
    assert found.startswith(f"{dotted(module).removesuffix('.__init__')} imports ")
    assert found.count("\n") == 1


def dotted(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def lint_outline(folder: Path, breach: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Hold files (path -> text) among empty ones named like ours against the contracts."""
    outline(folder, breach)
    return run(LINT, folder)


def outline(folder: Path, breach: dict[str, str]) -> None:
    """Write files (path -> text) among empty ones named like ours."""
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for package in ("components", "flows"):
        for source in (ROOT / package).rglob("*.py"):
            copy = folder / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.touch()
    for module, text in breach.items():
        (folder / module).write_text(text)


def imports(*packages: str) -> set[tuple[str, str]]:
    """Return every (importing module, top-level name imported) of our own packages."""
    graph = grimp.build_graph(*packages, include_external_packages=True, cache_dir=None)
    return {
        (module, imported.partition(".")[0])
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if not imported.startswith(("components.gate", "components.exam_names"))
    }


def test_the_model_room_needs_the_settings_for_their_types_alone() -> None:
    found = []
    for types_too in (True, False):
        graph = grimp.build_graph(
            "components", exclude_type_checking_imports=not types_too, cache_dir=None
        )
        edge = {"importer": "components.model", "imported": "components.settings"}
        found.append(graph.direct_import_exists(**edge, as_packages=True))
    assert found == [True, False]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_gate_imports_nothing_but_the_standard_library_numpy_and_scipy() -> None:
    found = {(m, name) for m, name in imports("components") if m.startswith("components.gate")}
    assert {(module, name) for module, name in found if name not in GATE_MAY_IMPORT} == set()
    assert found, "the gate imports something, so this looked at it"


def test_the_declared_dependencies_are_the_imported_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {normal(re.split(r"[<>=!~ \[]", line)[0]) for line in project["dependencies"]}
    providers = importlib.metadata.packages_distributions()
    outside = {name for _, name in imports("components", "flows")} - sys.stdlib_module_names
    needed = {
        name: {normal(provider) for provider in providers[name]}
        for name in outside - {"components", "flows"}
    }
    brought = {"dvc_data", "dvc_objects", "uvicorn"}  # by DVC; by Prefect, which serves with it
    assert {name for name in needed if not needed[name] & declared} <= brought
    assert declared - set().union(*needed.values()) == CEILINGS_ONLY


def test_every_component_imports_without_prefect() -> None:
    done = run(IMPORT_EVERYTHING, ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 10
