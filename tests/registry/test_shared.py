"""Two roots with one MLflow database."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.command import ratchet
from tests.stream import PARAMS, batch


def join(root: Path, home: Path, *settings: str) -> None:
    database = f"tracking_uri: 'sqlite:///{home}/mlruns/mlflow.db'"
    registry = f"registry: {{{', '.join([database, *settings])}}}"
    params = PARAMS.replace("name: tiny", "name: other")
    (root / "params.yaml").write_text(f"{params}\n{registry}\n", encoding="utf-8")


def test_a_root_with_versions_joins_another_and_both_stay_whole(
    grown: Path, tmp_path: Path
) -> None:
    home, other = grown, tmp_path / "joins"
    shutil.copytree(home, other, ignore=shutil.ignore_patterns("mlruns", "data"))
    (other / "params.yaml").write_text(PARAMS.replace("name: tiny", "name: other"))
    assert ratchet(other, "run", str(batch(other / "b1.jsonl", 1)), "--task", "mood").code == 0
    join(other, home)
    refused = ratchet(other, "reconcile")
    assert refused.code == 2 and "is another root's" in refused.err, refused
    assert "registry.experiment" in refused.err
    join(other, home, "experiment: other")
    assert ratchet(other, "reconcile").code == 0
    assert ratchet(other, "run", str(batch(other / "b2.jsonl", 2)), "--task", "mood").code in (0, 3)
    for root in (home, other):
        done = ratchet(root, "audit", "verify", "--deep")
        assert done.code == 0, done.out
