"""A root that was copied or moved: its models come from where it is now, and somebody is told."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.command import ratchet
from tests.stream import batch

MODEL = """
import mlflow, sys
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
print(*mlflow.pyfunc.load_model("models:/tiny@champion").predict(["good great fine"]))
"""


@pytest.fixture
def copy(grown: Path, tmp_path: Path) -> Path:
    """A copy in which no command ran yet; the root that it is of is still there."""
    return Path(shutil.copytree(grown, tmp_path / "my copy"))


def addresses(root: Path) -> set[str]:
    """Return what MLflow's database says of where models and runs lie."""
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as connection:
        asked = "SELECT source FROM model_versions UNION SELECT artifact_uri FROM runs"
        return {address for (address,) in connection.execute(asked)}


def loaded(root: Path) -> subprocess.CompletedProcess[str]:
    """Load the champion as docs/serving.md does, in the root, without Ratchet."""
    return subprocess.run([sys.executable, "-c", MODEL], cwd=root, capture_output=True, text=True)


@pytest.mark.parametrize("asked", [("status",), ("predict", "good great fine"), ("history",)])
def test_any_command_in_a_copy_says_so_once_and_its_models_are_its_own(
    grown: Path, copy: Path, asked: tuple[str, ...]
) -> None:
    before = addresses(copy)
    assert before == addresses(grown)
    told = ratchet(copy, *asked)
    assert told.code == 0
    assert told.err.startswith(f"note: This root was copied from {grown}, and MLflow loaded")
    assert {each.startswith((copy / "mlruns").as_uri()) for each in addresses(copy)} == {True}
    assert addresses(grown) == before, "the root that was copied keeps its own"
    assert (ratchet(copy, *asked).err, ratchet(grown, *asked).err) == ("", "")


@pytest.mark.parametrize("fate", ["changed", "deleted"])
def test_a_copy_answers_by_itself_once_its_old_root_is_changed_or_deleted(
    grown: Path, copy: Path, fate: str
) -> None:
    if fate == "deleted":
        shutil.rmtree(grown)
    else:
        for file in (grown / "mlruns" / "artifacts").glob("*/artifacts/model/artifacts/*/*.json"):
            file.write_text("{}")
    assert loaded(copy).returncode != 0, "MLflow's addresses led to the old root"
    how = "moved" if fate == "deleted" else "copied"
    assert f"was {how} from {grown}" in ratchet(copy, "status").err
    answer = loaded(copy)
    assert (answer.returncode, answer.stdout) == (0, "pos\n"), answer.stderr[-2000:]


def test_two_copies_go_on_apart(grown: Path, copy: Path) -> None:
    assert ratchet(copy, "run", batch(copy / "b3.jsonl", 3), "--task", "mood").code == 0
    assert "version 3 is champion" in ratchet(copy, "status").out
    assert "version 2 is champion" in ratchet(grown, "status").out
    assert len(list((grown / "mlruns" / "artifacts").iterdir())) == 2


def test_reconcile_lists_it_among_what_it_did(grown: Path, copy: Path) -> None:
    done = ratchet(copy, "reconcile", "--json")
    assert done.err == "" and f"copied from {grown}" in done.facts["done"][0]
    assert ratchet(copy, "reconcile").out == "Nothing to repair.\n"


def test_a_copy_that_cannot_be_written_is_read_all_the_same_and_says_what_is_wrong(
    grown: Path, copy: Path
) -> None:
    lock = copy / "mlruns" / "registry.lock"
    lock.unlink()
    lock.mkdir()
    told = ratchet(copy, "status")
    assert told.code == 0 and "version 2 is champion" in told.out
    assert "it still does: " in told.err and "Run `ratchet reconcile`" in told.err
    assert addresses(copy) == addresses(grown)
