"""Versions that came before code travelled carry a served model of their own: it goes on."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest
from mlflow import pyfunc

from components.model.answering import predict
from components.model.bundle import open_bundle
from components.model.placement import placement_of
from components.pipeline.registration_records import records
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.stream import batch, rows, settle

ARCHIVE = Path(__file__).with_name("root-2026-11.tar.xz")
TEXTS = [row["text"] for row in rows(77, 30)]


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path)  # ours; `filter` came with 3.11.4
    monkeypatch.setenv("RATCHET_BASE", str(tmp_path / "support" / "base"))
    return tmp_path / "support"


def served(root: Path) -> dict[int, list[str]]:
    """What each version answers, all of them loaded in this process as MLflow loads them."""
    ws = open_workspace(root)
    found = {}
    for number, shown in ws.registry.shown().items():
        found[number] = pyfunc.load_model(shown.storage).predict(TEXTS)
    return found


def seen(root: Path) -> dict[int, list[str]]:
    """What the gate sees of each version."""
    ws = open_workspace(root)
    placement = placement_of(ws.in_force())
    return {
        each.version.version: predict(
            ws.base, open_bundle(ws.bundles, each.version.bundle), TEXTS, placement
        ).labels
        for each in records(ws)
    }


def test_earlier_versions_are_served_beside_a_new_one_and_written_again_when_lost(
    earlier: Path,
) -> None:
    assert settle(earlier, batch(earlier.parent / "next.jsonl", 7)).version == 6
    answers = served(earlier)
    assert answers == seen(earlier) and len(answers) == 6
    models = {place.parent: place for place in earlier.glob("mlruns/artifacts/*/artifacts/model")}
    with_code = [model for model in models.values() if (model / "code").is_dir()]
    assert (len(models), len(with_code)) == (6, 1)
    assert ratchet(earlier, "audit", "verify").code == 0

    shutil.rmtree(earlier / "mlruns" / "artifacts")
    (earlier / "mlruns" / "mlflow.db").unlink()
    done = ratchet(earlier, "reconcile", "--json")

    assert done.code == 0, done.err
    assert not [line for line in done.facts["done"] if line.startswith("left")]
    assert served(earlier) == answers
    assert ratchet(earlier, "audit", "verify", "--deep").code == 0
