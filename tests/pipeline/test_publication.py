"""Whatever is changed in MLflow is found, and one command makes it show the ledger again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from components.errors import Corrupted
from components.ledger import views
from components.operations.bundle_restoration import restore_registry
from components.operations.reconciliation import reconcile
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.registry_state import registry_differences


def sql(root: Path, *statements: str) -> None:
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def run_of(root: Path, number: int) -> str:
    version = views.version(open_workspace(root).ledger, number)
    assert version is not None
    return version.run


def folder_of(root: Path, number: int) -> Path:
    return root / "mlruns" / "artifacts" / run_of(root, number) / "artifacts"


def overwrite(file: Path) -> None:
    """Change one byte and keep the size."""
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def found(ws: Workspace) -> list[str]:
    try:
        return [f"{place}: {words}" for place, words in registry_differences(ws)]
    except Corrupted as gone:
        return [gone.message]


def swap_models(root: Path) -> None:
    one, two = (folder_of(root, number) / "model" for number in (1, 2))
    shelf = root / "shelf"
    one.rename(shelf)
    two.rename(one)
    shelf.rename(two)


def swap_bundles(root: Path) -> None:
    for number, other in ((1, 2), (2, 1)):
        ws = open_workspace(root)
        version, another = (views.version(ws.ledger, n) for n in (number, other))
        assert version is not None and another is not None
        place = folder_of(root, number) / "model" / "artifacts" / version.bundle
        shutil.copytree(ws.bundles / another.bundle, place, dirs_exist_ok=True)


def edit(name: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        [file] = folder_of(root, 2).glob(name)
        overwrite(file)

    return act


def in_tables(*statements: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        names = {"one": run_of(root, 1), "two": run_of(root, 2)}
        sql(root, *(statement.format(**names) for statement in statements))

    return act


def add_code(root: Path) -> None:
    (folder_of(root, 2) / "model" / "torch.py").write_text("answers = 'other'")


def compile_code(root: Path) -> None:
    [package] = folder_of(root, 2).glob("model/code/*")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "files.cpython-311.pyc").write_bytes(b"planted")


def delete(name: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        path = folder_of(root, 2) / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return act


def link_bundle(root: Path) -> None:
    [head] = folder_of(root, 2).glob("model/artifacts/*/head.safetensors")
    shutil.copy(head, root / "elsewhere")
    head.unlink()
    head.symlink_to(root / "elsewhere")


TAGS = ("key", "bundle", "batch", "parent_version", "base", "evidence", "decision", "status")

CHANGES: dict[str, Callable[[Path], None]] = {
    "description": in_tables("UPDATE model_versions SET description = 'fine' WHERE version = 2"),
    **{
        f"tag {name}": in_tables(
            "UPDATE model_version_tags SET value = 'x'"
            f" WHERE key = 'ratchet.{name}' AND version = 2"
        )
        for name in (*TAGS, "files", "texts")
    },
    "tag gone": in_tables("DELETE FROM model_version_tags WHERE version = 2"),
    "tag invented": in_tables(
        "INSERT INTO model_version_tags (key, value, name, version)"
        " VALUES ('ratchet.approved', 'yes', 'tiny', 2)"
    ),
    "metric": in_tables(
        "UPDATE metrics SET value = 0.5 WHERE key = 'accuracy/mood' AND run_uuid = '{two}'"
    ),
    "latest metric": in_tables(
        "UPDATE latest_metrics SET value = 0.25 WHERE key = 'accuracy/mood' AND run_uuid = '{two}'"
    ),
    "metric logged later": in_tables(
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)"
        " VALUES ('accuracy/mood', 0.25, 9, '{two}', 1, 0)"
    ),
    "param": in_tables("UPDATE params SET value = '9' WHERE key = 'seed' AND run_uuid = '{two}'"),
    "source": in_tables(
        "UPDATE model_versions SET source ="
        " (SELECT source FROM model_versions WHERE version = 1) WHERE version = 2"
    ),
    "storage": in_tables(
        "UPDATE model_versions SET storage_location ="
        " (SELECT source FROM model_versions WHERE version = 1) WHERE version = 2"
    ),
    "version row": in_tables(
        "DELETE FROM model_version_tags WHERE version = 2",
        "DELETE FROM registered_model_aliases",
        "DELETE FROM model_versions WHERE version = 2",
    ),
    "old version row": in_tables(
        "DELETE FROM model_version_tags WHERE version = 1",
        "DELETE FROM model_versions WHERE version = 1",
    ),
    "version deleted": in_tables(
        "DELETE FROM registered_model_aliases",
        "UPDATE model_versions SET current_stage = 'Deleted_Internal', source = 'REDACTED',"
        " description = NULL WHERE version = 2",
    ),
    "version pending": in_tables("UPDATE model_versions SET status = 'FAILED' WHERE version = 2"),
    "run deleted": in_tables(
        "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = '{two}'"
    ),
    "run row": in_tables(
        *(f"DELETE FROM {t} WHERE run_uuid = '{{two}}'" for t in ("tags", "params", "metrics")),
        "DELETE FROM latest_metrics WHERE run_uuid = '{two}'",
        "DELETE FROM inputs WHERE destination_id = '{two}'",
        "DELETE FROM runs WHERE run_uuid = '{two}'",
    ),
    "run failed": in_tables("UPDATE runs SET status = 'FAILED' WHERE run_uuid = '{two}'"),
    "run tag": in_tables(
        "UPDATE tags SET value = 'x' WHERE key = 'ratchet.bundle' AND run_uuid = '{two}'"
    ),
    "run name": in_tables("UPDATE runs SET name = 'x' WHERE run_uuid = '{two}'"),
    "run files redirected": in_tables(
        "UPDATE runs SET artifact_uri = 'file:///nowhere' WHERE run_uuid = '{two}'"
    ),
    "runs swapped": in_tables(
        "UPDATE model_versions SET run_id = CASE version WHEN 1 THEN '{two}' ELSE '{one}' END"
    ),
    "dataset": in_tables("UPDATE datasets SET dataset_source = '{{}}'"),
    "dataset gone": in_tables("DELETE FROM inputs"),
    "alias moved": in_tables("UPDATE registered_model_aliases SET version = 1"),
    "alias gone": in_tables("DELETE FROM registered_model_aliases"),
    "alias candidate": in_tables(
        "INSERT INTO registered_model_aliases (alias, version, name) VALUES ('candidate',1,'tiny')"
    ),
    "experiment renamed": in_tables("UPDATE experiments SET name = 'x' WHERE name = 'ratchet'"),
    "model deleted": in_tables(
        "DELETE FROM registered_model_aliases",
        "DELETE FROM model_version_tags",
        "DELETE FROM model_versions",
        "DELETE FROM registered_models",
    ),
    "MLmodel": edit("model/MLmodel"),
    "served_model.py": edit("model/served_model.py"),
    "code": edit("model/code/*/model/encoding.py"),
    "code gone": delete("model/code"),
    "code compiled": compile_code,
    "requirements.txt": edit("model/requirements.txt"),
    "conda.yaml": edit("model/conda.yaml"),
    "python_env.yaml": edit("model/python_env.yaml"),
    "head": edit("model/artifacts/*/head.safetensors"),
    "adapter": edit("model/artifacts/*/adapter/adapter_model.safetensors"),
    "state": edit("model/artifacts/*/state.json"),
    "report": edit("report.html"),
    "evidence": edit("evidence.json"),
    "snapshot": edit("snapshot.json"),
    "plot": edit("plots/accuracy.png"),
    "models swapped": swap_models,
    "bundles swapped": swap_bundles,
    "code added": add_code,
    "report gone": delete("report.html"),
    "head linked": link_bundle,
}


@pytest.fixture(scope="module")
def reused(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One root for all changes: each is put right before the next."""
    return Path(shutil.copytree(grown_once, tmp_path_factory.mktemp("reused") / "root"))


def put_right(root: Path) -> list[str]:
    """Do what `ratchet reconcile` does for MLflow."""
    ws = open_workspace(root)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        return restore_registry(ws) + reconcile(ws, lease, whole=True)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_mlflow_is_found_and_put_right(reused: Path, change: str) -> None:
    assert found(open_workspace(reused)) == []

    CHANGES[change](reused)

    assert found(open_workspace(reused)), "the change was not found"
    done = put_right(reused)
    assert done and not [line for line in done if "left" in line], done
    assert found(open_workspace(reused)) == []
    assert put_right(reused) == []


def test_what_people_add_is_left_alone(grown: Path) -> None:
    two = run_of(grown, 2)
    sql(
        grown,
        "INSERT INTO model_version_tags (key,value,name,version) VALUES ('owner','ann','tiny',2)",
        f"INSERT INTO tags (key, value, run_uuid) VALUES ('note', 'look', '{two}')",
        f"INSERT INTO params (key, value, run_uuid) VALUES ('theirs', '1', '{two}')",
        "UPDATE model_versions SET description = 'changed' WHERE version = 2",
    )
    (folder_of(grown, 2) / "notes.txt").write_text("mine")

    [line] = ratchet(grown, "reconcile", "--json").facts["done"]

    assert "description" in line
    shown = open_workspace(grown).registry.shown(2)[2]
    assert shown.run is not None and shown.run.params is not None
    assert (shown.tags["owner"], shown.run.tags["note"]) == ("ann", "look")
    assert shown.run.params["theirs"] == "1"
    assert (folder_of(grown, 2) / "notes.txt").exists()


def test_code_that_does_not_belong_in_a_model_is_kept_aside(grown: Path) -> None:
    add_code(grown)
    [line] = ratchet(grown, "reconcile", "--json").facts["done"]
    assert "torch.py" in line
    [kept] = (grown / "mlruns" / "aside").rglob("torch.py")
    assert kept.read_text() == "answers = 'other'"


@pytest.mark.parametrize("change", ["source", "storage", "runs swapped", "version row"])
def test_any_command_that_changes_something_finds_another_model_served(
    grown: Path, change: str
) -> None:
    CHANGES[change](grown)
    released = ratchet(grown, "quarantine", "release", "abcdef")
    assert released.code == 2
    assert found(open_workspace(grown)) == []


def test_a_report_without_a_good_copy_is_said_each_time(grown: Path) -> None:
    edit("report.html")(grown)
    for report in (grown / "mlruns" / "reports").rglob("*.html"):
        overwrite(report)
    for _ in range(2):
        [line] = ratchet(grown, "reconcile", "--json").facts["done"]
        assert line.startswith("not changed") and "report.html" in line


def test_a_registration_names_all_that_a_rebuild_needs(grown: Path) -> None:
    ws = open_workspace(grown)
    event = views.events(ws.ledger, kind="registration.done")[-1]
    payload = json.loads(event.payload)
    shown, files = ws.read_document(payload["submission"]), ws.read_document(payload["files"])
    assert shown["metrics"]["accuracy/mood"] > 0.9
    assert {"report.html", "evidence.json", "model/MLmodel", "model/served_model.py"} <= set(files)
    assert all(set(mark) == {"sha256", "size"} for mark in files.values())
    assert "utc_time_created" in ws.read_document(payload["texts"])["MLmodel"]
