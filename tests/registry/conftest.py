"""A root of its own for each test, and bundles to register."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from components.digest import bytes_digest
from components.registry import DataSource, Registry, Submission


@pytest.fixture(scope="session")
def prepared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a prepared `mlruns`; a copy of it is a root that was moved."""
    folder = tmp_path_factory.mktemp("prepared") / "mlruns"
    Registry(None, folder, "intents", "ratchet").prepare()
    return folder


@pytest.fixture
def registry(tmp_path: Path, prepared_folder: Path) -> Registry:
    shutil.copytree(prepared_folder, tmp_path / "mlruns")
    made = Registry(None, tmp_path / "mlruns", "intents", "ratchet")
    made.prepare()
    return made


@pytest.fixture
def submission(tmp_path: Path) -> Callable[..., Submission]:
    """Return a maker of submissions; the bundle holds no model, only a sealed file."""
    folder = tmp_path / "mlruns" / "bundles" / "sealed"
    folder.mkdir(parents=True)
    (folder / "labels.json").write_text('["a","b"]', encoding="utf-8")
    manifest = json.dumps({"labels.json": bytes_digest(b'["a","b"]')}).encode()
    (folder / "manifest.json").write_bytes(manifest)
    report = tmp_path / "report.html"
    report.write_text("<p>fine</p>", encoding="utf-8")
    first = Submission(
        key="1" * 64,
        bundle=folder,
        bundle_digest=bytes_digest(manifest),
        batch="b" * 64,
        parent_version=None,
        headline="Promote: learned tweets.",
        base_name="org/base",
        base_digest="0" * 64,
        description="| task | loss |",
        metrics={"accuracy/tweets": 0.5},
        params={"adapter.rank": 8},
        tags={"approval": "pending"},
        files={"report.html": report},
        dataset=DataSource("tweets.jsonl", "b" * 64, "data/batches/b.jsonl", 40),
    )
    return lambda **changes: replace(first, **changes)
