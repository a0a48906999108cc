"""The frozen reference stream: `dvc repro -f` must leave `dvc.lock` as it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEEDED = ("dvc.yaml", "dvc.lock", "params.yaml", ".dvc/config", "data/reference")


def test_the_reference_numbers_reproduce_and_show_what_they_must(tmp_path: Path) -> None:
    for name in NEEDED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    (tmp_path / "data" / "reference" / "numbers.json").unlink()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "-f", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dvc.lock").read_text() == (ROOT / "dvc.lock").read_text()
    numbers = json.loads((tmp_path / "data" / "reference" / "numbers.json").read_text())
    actions = {name: batch["action"] for name, batch in numbers.items()}
    assert actions == {
        "first": "promote",
        "second": "promote",
        "flipped": "reject",
        "third": "promote",
    }
