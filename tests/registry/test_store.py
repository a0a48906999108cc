from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.errors import ConfigError, Corrupted, NeedsHuman, Retryable
from components.registry import Registry, connection
from components.registry.submission import DESCRIPTION_CHARS


def client_of(registry: Registry) -> MlflowClient:
    return MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)


def artifacts(client: MlflowClient, run_id: str) -> Path:
    return Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))


def test_a_version_shows_headline_tags_metrics_dataset_and_files(registry, submission):
    made = registry.register(submission())

    (version,) = registry.versions()
    assert version.version == made.version == 1
    assert version.description.splitlines()[0] == "Promote: learned tweets."
    assert version.tags["approval"] == "pending"
    assert version.tags["ratchet.batch"] == "b" * 64
    run = client_of(registry).get_run(made.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"accuracy/tweets": 0.5}
    assert run.data.params == {"adapter.rank": "8"}
    assert run.inputs.dataset_inputs[0].dataset.name == "tweets.jsonl"
    folder = artifacts(client_of(registry), made.run_id)
    assert (folder / "report.html").read_text() == "<p>fine</p>"
    assert (folder / "model" / "artifacts" / "sealed" / "manifest.json").exists()


def test_no_pickle_lies_in_a_registered_model(registry, submission):
    made = registry.register(submission())

    files = [p for p in artifacts(client_of(registry), made.run_id).rglob("*") if p.is_file()]
    assert files
    assert not [p for p in files if p.suffix in {".pkl", ".pickle", ".bin", ".pt", ".joblib"}]
    assert not [p for p in files if p.read_bytes()[:1] == b"\x80"]


def test_one_key_gives_one_version_however_often_it_is_registered(registry, submission):
    first = registry.register(submission())
    again = registry.register(submission(headline="Something else"))

    assert first == again == registry.find("1" * 64)
    assert len(registry.versions()) == 1
    assert len(client_of(registry).search_runs(["1"])) == 1


def test_another_key_gives_another_version_although_the_bundle_is_the_same(registry, submission):
    registry.register(submission())
    registry.register(submission(key="2" * 64, parent_version=1))

    newest, oldest = registry.versions()
    assert (newest.version, oldest.version) == (2, 1)
    assert newest.tags["ratchet.parent_version"] == "1"
    assert newest.tags["ratchet.bundle"] == oldest.tags["ratchet.bundle"]


def test_ratchets_own_tags_cannot_be_overridden_by_the_given_ones(registry, submission):
    registry.register(submission(tags={"ratchet.key": "forged"}))

    assert registry.find("forged") is None
    assert registry.find("1" * 64) is not None


def test_names_that_mlflow_refuses_still_have_their_metrics(registry, submission):
    names = ["accuracy/books & film", "accuracy/books + film", "accuracy/../été", "a//b", "x" * 400]
    metrics = {name: float(place) for place, name in enumerate(names)}
    made = registry.register(submission(metrics={**metrics, "nan": float("nan"), "none": None}))

    logged = client_of(registry).get_run(made.run_id).data.metrics
    assert sorted(logged.values()) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_hundreds_of_metrics_and_params_all_arrive(registry, submission):
    made = registry.register(
        submission(
            metrics={f"m{n}": float(n) for n in range(1700)},
            params={f"p{n}": n for n in range(150)},
        )
    )

    data = client_of(registry).get_run(made.run_id).data
    assert (len(data.metrics), len(data.params)) == (1700, 150)


def test_a_long_description_is_cut_to_mlflows_column(registry, submission):
    registry.register(submission(description="x" * 9000))

    (version,) = registry.versions()
    assert len(version.description) == DESCRIPTION_CHARS
    assert "shortened" in version.description[-80:]


def test_an_alias_is_set_read_back_moved_and_dropped(registry, submission):
    registry.register(submission())
    registry.register(submission(key="2" * 64))

    assert registry.alias("champion") is None
    registry.set_alias("champion", 1)
    registry.set_alias("champion", 2)
    registry.set_alias("candidate", 2)
    assert registry.aliases() == {"champion": 2, "candidate": 2}
    assert registry.versions()[0].aliases == ("candidate", "champion")
    registry.drop_alias("candidate")
    registry.drop_alias("candidate")
    assert registry.aliases() == {"champion": 2}


def test_an_alias_moved_by_someone_else_meanwhile_is_noticed(registry, submission, monkeypatch):
    registry.register(submission())
    registry.register(submission(key="2" * 64))
    honest = MlflowClient.set_registered_model_alias

    def raced(self, name, alias, version):
        honest(self, name, alias, version)
        honest(self, name, alias, "1")

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", raced)
    with pytest.raises(Retryable, match="reads 1"):
        registry.set_alias("champion", 2)


def test_tags_description_and_files_of_a_version_can_be_changed(registry, submission, tmp_path):
    made = registry.register(submission())
    (tmp_path / "report.html").write_text("<p>decided</p>", encoding="utf-8")

    registry.tag_version(1, "approval", "approved")
    registry.describe(1, "Promoted.\n\nBy the gate.")
    for _ in range(2):
        registry.attach(1, {"report.html": tmp_path / "report.html"})

    (version,) = registry.versions()
    assert version.tags["approval"] == "approved"
    assert version.description == "Promoted.\n\nBy the gate."
    folder = artifacts(client_of(registry), made.run_id)
    assert (folder / "report.html").read_text() == "<p>decided</p>"
    assert (folder / "model" / "MLmodel").exists()


@pytest.mark.parametrize("name", ["../escape.txt", "/etc/escape", "model/MLmodel"])
def test_a_file_name_that_leaves_the_run_is_refused(registry, submission, tmp_path, name):
    registry.register(submission())

    with pytest.raises(ConfigError, match="not a valid name"):
        registry.attach(1, {name: tmp_path / "report.html"})


@pytest.mark.parametrize(
    "act",
    [
        lambda registry: registry.set_alias("champion", 9),
        lambda registry: registry.tag_version(9, "a", "b"),
        lambda registry: registry.describe(9, "text"),
        lambda registry: registry.attach(9, {}),
    ],
)
def test_a_version_that_is_not_there_is_named(registry, act):
    with pytest.raises(Corrupted, match="version 9 of intents"):
        act(registry)


def test_a_lost_database_is_told_and_not_replaced_by_an_empty_one(registry, tmp_path):
    (tmp_path / "mlruns" / "mlflow.db").unlink()

    with pytest.raises(Corrupted, match="database is missing"):
        registry.alias("champion")
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()


def test_bytes_that_are_no_database_are_told_at_once(tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"not a database at all")

    with pytest.raises(Corrupted, match="not an SQLite database"):
        Registry(None, tmp_path / "mlruns", "m", "e").prepare()


def test_a_broken_page_in_the_database_is_corruption(registry, submission, tmp_path):
    registry.register(submission())
    path = tmp_path / "mlruns" / "mlflow.db"
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)

    with pytest.raises(Corrupted, match="ratchet reconcile"):
        registry.versions()


def test_a_locked_database_can_be_tried_again(registry, submission, tmp_path, monkeypatch):
    registry.register(submission())
    with closing(sqlite3.connect(tmp_path / "mlruns" / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        _shorten_busy_timeout(monkeypatch)
        with pytest.raises(Retryable, match="locked"):
            registry.set_alias("champion", 1)
    registry.set_alias("champion", 1)


def test_a_registration_under_way_makes_another_process_wait(registry, submission, monkeypatch):
    monkeypatch.setattr(connection, "LOCK_TIMEOUT_SECONDS", 0.05)
    with registry._at.locked(), pytest.raises(Retryable, match="held by another process"):
        registry.register(submission())


@pytest.mark.parametrize(
    ("uri", "package"),
    [
        ("postgresql+psycopg2://h/d", "psycopg2-binary"),
        ("postgresql://h/d", "psycopg"),
        ("mysql://h/d", "mysqlclient"),
        ("mysql+pymysql://h/d", "PyMySQL"),
        ("mssql://h/d", "pyodbc"),
    ],
)
def test_a_database_whose_driver_is_missing_names_the_package(tmp_path, monkeypatch, uri, package):
    for module in ("psycopg", "psycopg2", "MySQLdb", "pymysql", "pyodbc"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=f"`registry.tracking_uri` is '{re.escape(uri)}'") as no:
        Registry(uri, tmp_path / "mlruns", "m", "e").prepare()
    assert f"pip install {package}" in no.value.remedy.replace("'", "")


def test_a_driver_that_nobody_knows_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match=r"postgresql\+foo://h/d: Can't load plugin"):
        Registry("postgresql+foo://h/d", tmp_path / "mlruns", "m", "e").prepare()


def test_a_relative_sqlite_address_counts_from_the_root(tmp_path):
    assert Registry("sqlite:///a/b.db", tmp_path / "mlruns", "m", "e").uri == (
        f"sqlite:///{tmp_path.resolve()}/a/b.db"
    )


def test_a_deleted_experiment_asks_for_a_person(registry):
    client = client_of(registry)
    client.delete_experiment(client.get_experiment_by_name("ratchet").experiment_id)

    with pytest.raises(NeedsHuman, match="deleted"):
        registry.prepare()


@pytest.mark.parametrize("name", ["with space", "ünï", "it's"])
def test_a_root_with_a_difficult_name_works(tmp_path, submission, name):
    registry = Registry(None, tmp_path / name / "mlruns", "intents", "ratchet")
    registry.prepare()
    made = registry.register(submission())
    registry.set_alias("champion", made.version)

    found = list((tmp_path / name / "mlruns" / "artifacts").rglob("MLmodel"))
    assert len(found) == 1
    assert client_of(registry).get_model_version("intents", "1").source.startswith("file://")


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b"])
def test_a_root_that_mlflow_cannot_address_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="Rename the folder"):
        Registry(None, tmp_path / name / "mlruns", "m", "e")


def test_nothing_is_written_outside_the_folder(registry, submission, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    registry.register(submission())

    assert not list(elsewhere.iterdir())
    assert sorted(p.name for p in (tmp_path / "mlruns").iterdir()) == [
        "artifacts",
        "bundles",
        "mlflow.db",
        "registry.lock",
    ]


def test_nothing_is_printed(registry, submission, capfd):
    registry.register(submission())
    registry.set_alias("champion", 1)

    assert capfd.readouterr() == ("", "")


def test_importing_the_room_does_not_import_mlflow():
    code = "import sys, components.registry; sys.exit('mlflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _prepare(folder: Path, barrier) -> None:
    import mlflow  # noqa: F401  (so that all reach the database together)

    barrier.wait()
    Registry(None, folder, "intents", "ratchet").prepare()


def test_many_first_starts_at_once_leave_one_whole_database(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    folder = tmp_path / "mlruns"
    starts = [context.Process(target=_prepare, args=(folder, barrier)) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join(60)

    assert [start.exitcode for start in starts] == [0, 0, 0, 0]
    assert Registry(None, folder, "intents", "ratchet").aliases() == {}
    assert sorted(p.name for p in folder.iterdir()) == ["mlflow.db", "registry.lock"]


def test_a_start_killed_while_the_database_is_built_leaves_none_and_the_next_heals(tmp_path):
    folder = tmp_path / "mlruns"
    folder.mkdir()
    (folder / "mlflow.db.4711.part").write_bytes(b"half")
    (folder / "mlflow.db.4711.part-journal").write_bytes(b"half")

    Registry(None, folder, "intents", "ratchet").prepare()

    assert sorted(p.name for p in folder.iterdir()) == ["mlflow.db", "registry.lock"]


def _shorten_busy_timeout(monkeypatch) -> None:
    """MLflow waits 20 seconds for a lock; a tenth of one shows the same."""
    import sqlalchemy

    honest = sqlalchemy.text
    monkeypatch.setattr(sqlalchemy.sql, "text", lambda words: honest(words.replace("20000", "100")))


def test_the_database_of_a_copied_root_is_not_shared(registry, submission, tmp_path):
    """A copy registers into its own artifacts, not into those of the root it came from."""
    registry.register(submission())
    copied = tmp_path / "copy" / "mlruns"
    shutil.copytree(tmp_path / "mlruns", copied)
    twin = Registry(None, copied, "intents", "ratchet")
    twin.prepare()
    made = twin.register(submission(key="2" * 64))

    assert artifacts(client_of(twin), made.run_id).is_relative_to(copied)
    assert artifacts(client_of(twin), twin.find("1" * 64).run_id).is_relative_to(copied)
    assert len(registry.versions()) == 1
