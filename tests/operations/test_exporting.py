"""Exported folders: plain Hugging Face models with a version's answers, or a refusal in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import ConfigError, Corrupted
from components.ledger import views
from components.operations import exporting
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.made_bundles import made_bundle
from tests.stream import PARAMS, add_exam, batch, make_root, settle

TEXTS = ["good great fine", "bad sad table river", "", "cloud stone " * 40]
HYBRID = PARAMS.replace(
    "strategy: {method: replay, update_share: 1.0, replay_ratio: 1.0, distillation: 0.0}",
    "strategy: {method: hybrid}",
)

STRANGER = """
import json, sys
from transformers import pipeline
ask = pipeline("text-classification", model=sys.argv[1], trust_remote_code=True)
json.dump(ask(json.load(sys.stdin), truncation=True, top_k=None), sys.stdout)
assert not any(name.partition(".")[0] in ("components", "mlflow", "peft") for name in sys.modules)
"""


def stranger(folder: Path, cache: Path) -> list[dict[str, float]]:
    """Ask an exported folder as its model card says, in a process without Ratchet."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, str(folder)],
        input=json.dumps(TEXTS),
        env={**os.environ, "HF_MODULES_CACHE": str(cache)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [{each["label"]: each["score"] for each in row} for row in json.loads(done.stdout)]


def test_the_default_strategys_head_is_exported_and_a_stranger_gets_its_answers(
    tmp_path: Path,
) -> None:
    root, folder = make_root(tmp_path / "root", HYBRID), tmp_path / "exported"
    add_exam(root, batch(root / "exam.jsonl", 900, 60))
    assert settle(root, batch(root / "b.jsonl", 1)).action == "promoted"
    ran = ratchet(root, "export", "1", folder)
    assert (ran.code, ran.err) == (0, "") and "no probability differs by more" in ran.out

    told = ratchet(root, "predict", "--json", "--", *TEXTS[:2]).facts["answers"]
    for shares, expected in zip(stranger(folder, tmp_path / "cache"), told, strict=False):
        assert shares == pytest.approx(expected["probabilities"], abs=1e-5)
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "neg", "1": "pos"} and config["head"] == "projected"
    assert str(tmp_path) not in (folder / "config.json").read_text()
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "modeling_ratchet.py", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    card = (folder / "README.md").read_text()
    version = views.version(open_workspace(root).ledger, 1)
    assert version is not None
    for fact in (
        "tiny, version 1", "`neg`, `pos`", version.headline, version.bundle, "b.jsonl",
        "| mood | ", "of 60 |", "licence", "first 16 tokens",
    ):  # fmt: skip
        assert fact in card, fact

    again = ratchet(root, "export", "1", folder)
    assert again.code == 2 and "exists already" in again.err
    assert "Versions: 1." in ratchet(root, "export", "5", tmp_path / "no").err


def made(ws: Workspace, method: str, head: str = "linear", kind: str = "classifier"):
    """Return a version of the root with a made bundle in place of its own."""
    version = views.version(ws.ledger, 1)
    assert version is not None
    said = {"kind": kind, "strategy": "replay"}
    return replace(version, bundle=made_bundle(ws.base, ws.bundles, method, head, said=said).digest)


@pytest.mark.parametrize(
    ("method", "kind", "why"),
    [
        ("prompt", "classifier", "an adapter (prompt) that can't be merged"),
        ("bottleneck", "classifier", "an adapter (bottleneck) that can't be merged"),
        ("lora", "pool", "chooses among pool"),
        ("lora", "experts", "chooses among experts"),
    ],
)
def test_what_is_no_plain_model_is_refused_with_what_serves_it(
    grown: Path, tmp_path: Path, method: str, kind: str, why: str
) -> None:
    ws = open_workspace(grown)
    with pytest.raises(ConfigError) as refused:
        exporting.export(ws, made(ws, method, kind=kind), tmp_path / "out")
    assert why in refused.value.message
    assert "mlflow models serve -m models:/tiny/1" in refused.value.remedy
    assert list(tmp_path.glob("out*")) == []


def test_a_folder_that_answers_otherwise_is_removed(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = open_workspace(grown)
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    with pytest.raises(Corrupted, match="gives other answers: a probability differs by"):
        exporting.export(ws, made(ws, "lora"), tmp_path / "out")
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "head"),
    [
        *(("lora", head) for head in ("plain", "projected", "fourier")),
        *((method, "linear") for method in ("ia3", "vera", "bitfit", "full", "hiwi", "head")),
    ],
)
def test_every_head_and_every_method_that_merges_is_exported(
    grown: Path, tmp_path: Path, method: str, head: str
) -> None:
    ws = open_workspace(grown)
    done = exporting.export(ws, made(ws, method, head), tmp_path / "out")
    assert 0 <= done.difference < 1e-5
