"""A root: what it holds, and what its absence or damage means."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from components.data.dvc_settings import differences
from components.data.versioning import REMOTE
from components.errors import ConfigError, Corrupted
from components.ledger import views
from components.operations import reconciliation
from components.operations.verification import verify
from components.workspace.new_root import found_root
from components.workspace.root import open_workspace
from tests.command import assert_one_paragraph, ratchet
from tests.stream import PARAMS, batch, settle


def test_founding_twice_changes_nothing(tmp_path: Path) -> None:
    made = found_root(tmp_path / "root")
    assert "params.yaml" in made and "mlruns/ratchet.db" in made
    (tmp_path / "root" / "params.yaml").write_text("seed: 3\n")
    assert found_root(tmp_path / "root") == []
    assert open_workspace(tmp_path / "root").settings.seed == 3


def test_a_root_cannot_be_founded_inside_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be created"):
        found_root(tmp_path / "file" / "root")


@pytest.mark.parametrize(
    "params",
    [
        "data: {remote: 's3:/x'}",
        "registry: {tracking_uri: 'http:/localhost'}",
        "registry: {tracking_uri: 'postgresql+foo://localhost/x'}",
        "registry: {tracking_uri: 'sqlite:///no#such/mlflow.db'}",
    ],
)
def test_founding_with_a_wrong_address_leaves_nothing_behind(tmp_path: Path, params: str) -> None:
    (tmp_path / "params.yaml").write_text(params)
    with pytest.raises(ConfigError):
        found_root(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["params.yaml"]
    (tmp_path / "params.yaml").write_text("")
    assert {"mlruns/", "mlruns/ratchet.db"} <= set(found_root(tmp_path))


def test_a_folder_that_is_no_root_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"params\.yaml"):
        open_workspace(tmp_path / "nowhere")


@pytest.mark.parametrize("emptied", [True, False])
def test_a_ledger_that_is_gone_is_never_begun_anew_beside_its_versions(
    grown: Path, emptied: bool
) -> None:
    ledger = grown / "mlruns" / "ratchet.db"
    ledger.write_bytes(b"") if emptied else ledger.unlink()
    with pytest.raises(Corrupted, match=r"ledger .* is missing"):
        settle(grown, batch(grown / "b3.jsonl", 3))
    assert emptied or not ledger.exists()


def test_a_registry_that_is_gone_is_never_begun_anew_beside_its_versions(grown: Path) -> None:
    (grown / "mlruns" / "mlflow.db").unlink()
    with pytest.raises(Corrupted, match="database"):
        settle(grown, batch(grown / "b3.jsonl", 3))
    assert not (grown / "mlruns" / "mlflow.db").exists()
    assert len(views.versions(open_workspace(grown).ledger)) == 2


def test_a_root_that_was_moved_goes_on_where_it_is(grown: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(grown, moved)
    shutil.rmtree(grown)
    assert settle(moved, batch(moved / "b3.jsonl", 3)).action == "promoted"
    assert not grown.exists(), "nothing was written where the root had been"
    ws = open_workspace(moved)
    with ws.ledger.lease("tiny", 10) as lease:
        assert reconciliation.reconcile(ws, lease) == []
    assert len(list((moved / "mlruns" / "artifacts").iterdir())) == 3


def test_a_changed_document_is_found(grown: Path) -> None:
    ws = open_workspace(grown)
    assert verify(ws).holds["documents"] > 3
    version = views.versions(ws.ledger)[0]
    path = ws.document_path(version.evidence)
    path.write_bytes(path.read_bytes().replace(b'"promote"', b'"rejects"'))
    [changed] = verify(ws).findings
    path.unlink()
    [missing] = verify(ws).findings
    assert (changed.what, missing.what) == ("it was changed", "it is missing")
    assert version.evidence in changed.place and version.evidence in missing.place


OWN = ["data/incoming", "data/incoming/mood", "data/pool", "data/batches", "data/quarantine",
       "data/holdout", "data/arriving", "data/unreadable", "data/unknown/x", "data/damaged",
       "mlruns/x", ".dvc/cache"]  # fmt: skip


@pytest.mark.parametrize("remote", ["data", "data/x/../batches", "ABSOLUTE", "LINK", *OWN])
def test_a_remote_among_what_the_pipeline_fills_is_refused(root: Path, remote: str) -> None:
    if remote == "ABSOLUTE":
        remote = str(root / "data" / "batches")
    if remote == "LINK":
        (root / "data").mkdir()
        (root / "safe").symlink_to(root / "data")
        remote = "safe"
    (root / "params.yaml").write_text(f"data: {{remote: '{remote}'}}\n")
    with pytest.raises(ConfigError, match=f"`data.remote` is '{remote}'") as caught:
        open_workspace(root)
    assert "data/remote" in caught.value.remedy


@pytest.mark.parametrize("remote", [".", "..", "/", "file:///", "../..", "LINK"])
def test_a_remote_that_holds_the_root_is_refused(root: Path, remote: str) -> None:
    if remote == "LINK":
        (root / "up").symlink_to(root.parent)
        remote = "up"
    (root / "params.yaml").write_text(f"data: {{remote: '{remote}'}}\n")
    with pytest.raises(ConfigError, match="the root itself lies in that folder") as caught:
        open_workspace(root)
    assert "params.yaml" in caught.value.message and "data/remote" in caught.value.remedy


UNSTORED = ["x\ny", "tab\tx", "a\x1bb", "a\x85b", "a\u2028b", "%(here)s", "a'b\"c",
            "http://127.0.0.1:9/a%(x)s"]  # fmt: skip
TOO_LONG = ["x" * 256, "ü" * 128, "file:///" + "x" * 300, "x/" * 1800]


@pytest.mark.parametrize("remote", [*UNSTORED, *TOO_LONG])
def test_a_remote_that_dvc_or_the_disk_cannot_store_is_refused_and_can_be_corrected(
    root: Path, remote: str
) -> None:
    (root / "params.yaml").write_text(yaml.safe_dump({"data": {"remote": remote}}))
    before = sorted(root.rglob("*"))
    ran = ratchet(root, "init")
    assert ran.code == 2 and "params.yaml: `data.remote` is" in ran.err
    assert_one_paragraph(ran)
    assert sorted(root.rglob("*")) == before
    (root / "params.yaml").write_text(PARAMS)
    assert ratchet(root, "init").code == 0
    ws = open_workspace(root)
    assert list(differences(root / ".dvc" / "config", REMOTE, ws.remote)) == []


@pytest.mark.parametrize(
    "remote",
    ["a,b", "#a", 'a"b', "a'b; c", "'q'", " ,", "100%", "a%20b", "[x]", "a=b", "é ü", "$HOME/x",
     "-x", "file:///tmp/a%20", "a\\"],
)  # fmt: skip
def test_a_remote_with_odd_characters_is_the_one_that_dvc_reads(
    tmp_path: Path, remote: str
) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"data": {"remote": remote}}))
    ws = open_workspace(tmp_path)
    ws.store.prepare()
    assert list(differences(tmp_path / ".dvc" / "config", REMOTE, ws.remote)) == []


def test_a_root_in_a_folder_with_odd_characters_has_its_remote_inside(tmp_path: Path) -> None:
    root = tmp_path / 'it\'s "mine", (here)'
    found_root(root)
    ws = open_workspace(root)
    assert list(differences(root / ".dvc" / "config", REMOTE, ws.remote)) == []


@pytest.mark.parametrize("name", ["x" * 256, "x/" * 1800 + "x.db"])
def test_a_registry_with_too_long_a_name_is_refused(root: Path, name: str) -> None:
    (root / "params.yaml").write_text(f"registry: {{tracking_uri: 'sqlite:///{name}'}}")
    with pytest.raises(ConfigError, match=r"`registry.tracking_uri` is .*longer than"):
        open_workspace(root)


@pytest.mark.parametrize("remote", ["base", "base/copies"])
def test_a_remote_in_the_folder_of_the_base_model_is_refused(root: Path, remote: str) -> None:
    (root / "params.yaml").write_text(f"model: {{base: base}}\ndata: {{remote: '{remote}'}}\n")
    with pytest.raises(ConfigError, match=f"`data.remote` is '{remote}': it overlaps with base"):
        open_workspace(root)


@pytest.mark.parametrize("remote", ["data/remote", "copies", "../copies", "data/batches-2"])
def test_a_remote_with_a_folder_of_its_own_is_taken(root: Path, remote: str) -> None:
    (root / "params.yaml").write_text(f"data: {{remote: {remote}}}\n")
    assert open_workspace(root).settings.data.remote == remote


@pytest.mark.parametrize(
    "name",
    ["mlruns/ratchet.db", "mlruns/ratchet.db-wal", "mlruns/scores.db", "mlruns/ledger.head",
     "mlruns/prefect/prefect.db", "mlruns/x/../ratchet.db", "mlruns/artifacts/x.db",
     "params.yaml", ".dvc/x.db", "data/batches.db", "data/batches/x.db", "base/x.db", ".", "mlruns",
     "LINK", "ABSOLUTE"],
)  # fmt: skip
def test_a_registry_in_a_file_of_ratchets_own_is_refused_before_anything_is_written(
    root: Path, name: str
) -> None:
    if name == "LINK":
        (root / "link.db").symlink_to(root / "mlruns" / "ratchet.db")
        name = "link.db"
    name = str(root / "mlruns" / "ratchet.db") if name == "ABSOLUTE" else name
    (root / "params.yaml").write_text(f"registry: {{tracking_uri: 'sqlite:///{name}'}}\n{PARAMS}")
    before = {path: path.is_file() and path.read_bytes() for path in root.rglob("*")}
    with pytest.raises(ConfigError, match=r"params\.yaml: `registry.tracking_uri` is") as caught:
        found_root(root)
    assert "mlruns/mlflow.db" in caught.value.remedy
    assert {path: path.is_file() and path.read_bytes() for path in root.rglob("*")} == before


@pytest.mark.parametrize("name", ["mlruns/mlflow.db", "mlruns/team.db", "mlflow.db", "own/x.db"])
def test_a_registry_in_a_file_that_nothing_else_uses_is_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / "params.yaml").write_text(f"registry: {{tracking_uri: 'sqlite:///{name}'}}")
    found_root(tmp_path)
    assert (tmp_path / name).is_file()


def test_a_registry_at_the_usual_place_may_be_a_link(grown: Path, tmp_path: Path) -> None:
    place = grown / "mlruns" / "mlflow.db"
    shutil.move(place, tmp_path / "elsewhere.db")
    place.symlink_to(tmp_path / "elsewhere.db")
    assert open_workspace(grown).registry.newest_version() == 2
