"""A command loads no package that it has no use for: each of these takes a second or more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.ledger import views
from components.workspace.root import open_workspace
from tests.stream import batch

SLOW = ("torch", "transformers", "peft", "prefect", "mlflow", "great_expectations", "pandas")

COMMAND = f"""
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {SLOW}:
            raise AssertionError(name.partition(".")[0] + " was imported")

sys.meta_path.insert(0, Without())
from components.cli.main import main
main()
"""


def without(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in which every import of a slow package fails."""
    command = [sys.executable, "-c", COMMAND, "--root", str(root), *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("asked", [("--help",), ("status",), ("intake",)], ids=" ".join)
def test_a_command_with_nothing_to_do_loads_nothing_slow(
    grown: Path, asked: tuple[str, ...]
) -> None:
    done = without(grown, *asked)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_exam_is_taken_in_without_anything_slow(grown: Path) -> None:
    done = without(grown, "holdout", "add", batch(grown / "e.jsonl", 77, 40), "--task", "mood")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mood#2: " in done.stdout


@pytest.mark.parametrize("text", ["junk\n", '{"text": "good day", "label": "pos"}\n' * 3])
def test_a_file_is_refused_without_anything_slow(grown: Path, text: str) -> None:
    file = grown / "bad.jsonl"
    file.write_text(text)
    done = without(grown, "run", file, "--task", "mood")
    assert done.returncode == 1 and done.stdout.startswith("refused"), done.stdout + done.stderr
    assert "data.min_rows is 10" in done.stdout
    assert views.arrivals(open_workspace(grown).ledger)[-1].status == "refused"


def test_the_first_bad_files_of_an_inbox_are_refused_before_a_good_one_is_trained(
    grown: Path,
) -> None:
    for name in ("a", "b"):
        (grown / "data" / "incoming").mkdir(parents=True, exist_ok=True)
        (grown / "data" / "incoming" / f"{name}.jsonl").write_text(f"junk {name}\n")
    batch(grown / "data" / "incoming" / "mood" / "c.jsonl", 5)
    done = without(grown, "intake")
    assert "was imported" in done.stderr  # by the run of the good one
    statuses = {a.source: a.status for a in views.arrivals(open_workspace(grown).ledger)}
    assert (statuses["a.jsonl"], statuses["b.jsonl"]) == ("refused", "refused")
    assert statuses["c.jsonl"] == "queued"


def test_the_hook_finds_what_is_loaded(grown: Path) -> None:
    done = without(grown, "predict", "good")
    assert "torch was imported" in done.stdout + done.stderr
