"""Exported folders: plain Hugging Face models with a version's answers, or a refusal in words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import ConfigError, Corrupted
from components.ledger import views
from components.operations import exported_folder, exporting
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.made_bundles import made_bundle
from tests.stream import PARAMS, add_exam, batch, copied, make_root, settle

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
        "README.md", "config.json", "model.safetensors", "modeling_ratchet.py", "ratchet.json",
        "requirements.txt", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert str(tmp_path) not in (folder / "ratchet.json").read_text()
    card = (folder / "README.md").read_text()
    version = views.version(open_workspace(root).ledger, 1)
    assert version is not None
    for fact in (
        "tiny, version 1", "`neg`, `pos`", version.bundle, "b.jsonl", "from the root `root` on",
        "Version 1 ships: it is in force.", 'folder = "exported"',
        "| mood | ", "of 60 |", "licence", "first 16 tokens",
    ):  # fmt: skip
        assert fact in card, fact
    assert "Versions: 1." in ratchet(root, "export", "5", tmp_path / "no").err


@pytest.fixture(scope="module")
def exported_once(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds version 1 of a root whose champion is version 2."""
    folder = tmp_path_factory.mktemp("out") / "exported"
    root = copied(grown_once, folder.with_name("root"))
    assert ratchet(root, "export", "1", folder).code == 0
    return folder


@pytest.fixture
def exported(exported_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported_once, tmp_path / "exported"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_old_export_is_told_and_replaced_as_a_whole_where_that_is_asked_for(
    grown: Path, exported: Path
) -> None:
    before = contents(exported)
    old = ratchet(grown, "export", "champion", exported)
    assert old.code == 2 and f"{exported} holds version 1 of tiny, exported from root on" in old.err
    assert "Add --force to replace it with version 2." in old.err
    assert contents(exported) == before

    new = ratchet(grown, "export", "champion", exported, "--force")
    assert new.code == 0 and new.out.startswith("Replaced version 1 of tiny, exported from root")
    said = json.loads((exported / "ratchet.json").read_text())
    assert (said["model"], said["version"], said["status"]) == ("tiny", 2, "champion")
    assert said["files"].keys() | {"ratchet.json"} == contents(exported).keys()
    assert contents(exported)["model.safetensors"] != before["model.safetensors"]
    assert [path.name for path in exported.parent.glob("exported*")] == ["exported"]

    written = (exported / "README.md").stat().st_mtime_ns
    for words in ((), ("--force",)):
        again = ratchet(grown, "export", "champion", exported, *words)
        assert (again.code, again.out.split(";")[1]) == (0, " nothing was written.\n")
    assert (exported / "README.md").stat().st_mtime_ns == written


def test_an_export_that_was_changed_since_is_not_taken_for_the_version(
    grown: Path, exported: Path
) -> None:
    (exported / "config.json").write_text("{}")
    told = ratchet(grown, "export", "1", exported)
    assert told.code == 2 and "config.json in it was changed" in told.err
    assert ratchet(grown, "export", "1", exported, "--force").code == 0
    assert (exported / "config.json").read_text() != "{}"


@pytest.mark.parametrize("thing", ["notes.txt", "deep/notes.txt", "only", "file", "link"])
def test_what_no_export_wrote_is_never_replaced(
    grown: Path, exported: Path, tmp_path: Path, thing: str
) -> None:
    folder, kept = exported, exported / thing
    if thing == "only":
        folder, kept = tmp_path / "mine", tmp_path / "mine" / "notes.txt"
    elif thing == "file":
        folder = kept = tmp_path / "mine"
    kept.parent.mkdir(exist_ok=True)
    kept.symlink_to(tmp_path) if thing == "link" else kept.write_text("precious")
    told = ratchet(grown, "export", "champion", folder, "--force")
    assert told.code == 2 and "new folder" in told.err
    assert kept.is_symlink() if thing == "link" else kept.read_text() == "precious"


@pytest.mark.parametrize("at_once", [True, False])
def test_folders_are_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    if not at_once:
        monkeypatch.setattr(exported_folder, "_EXCHANGE", 1 << 20)  # no kernel takes this flag
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    exported_folder.exchange(tmp_path / "one", tmp_path / "other")
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.glob("*/*")) == [
        "one/other", "other/one",
    ]  # fmt: skip


def test_the_card_of_a_barred_version_says_that_it_must_not_ship(
    grown: Path, tmp_path: Path
) -> None:
    assert ratchet(grown, "rollback", "--reason", "worse for customers").code == 0
    told = ratchet(grown, "export", "2", tmp_path / "out")
    why = "note: Version 2 must not ship: it was rolled back to version 1 on "
    assert told.code == 0 and told.err.startswith(why) and "worse for customers" in told.err
    assert "Version 2 must not ship" in (tmp_path / "out" / "README.md").read_text()


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
