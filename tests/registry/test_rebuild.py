"""MLflow's database lost, emptied, broken or set back: one command brings everything back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from components.clock import system_clock
from components.ledger import views
from components.ledger.events import decode
from components.ledger.ledger import Ledger
from components.pipeline import settlement
from components.pipeline.held import decision_on
from components.pipeline.registration_records import DOCUMENTS, records
from components.registry import mlflow_rows, restoring
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.registry_state import registry_differences
from tests.stream import batch, settle

LOAD = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/tiny@champion")
print(*model.predict(["good fine lovely", "bad sad awful"]))
"""


def database(root: Path) -> Path:
    return root / "mlruns" / "mlflow.db"


def shown(root: Path) -> dict[str, object]:
    """What a person sees, but for times and MLflow's own ids of datasets."""
    ws = open_workspace(root)
    client = MlflowClient(tracking_uri=ws.registry.uri, registry_uri=ws.registry.uri)
    runs = {number: client.get_run(each.run_id) for number, each in ws.registry.shown().items()}
    reports = {
        number: client.list_artifacts(run.info.run_id, "plots") for number, run in runs.items()
    }
    return {
        "versions": ws.registry.shown(),
        "aliases": ws.registry.aliases(),
        "runs": {number: (run.data.metrics, run.data.params) for number, run in runs.items()},
        "plots": {number: [file.path for file in files] for number, files in reports.items()},
    }


def differences(root: Path) -> list[str]:
    return [f"{place}: {words}" for place, words in registry_differences(open_workspace(root))]


def delete(root: Path) -> None:
    database(root).unlink()


def empty(root: Path) -> None:
    database(root).write_bytes(b"")


def replace_by_text(root: Path) -> None:
    database(root).write_bytes(b"not a database at all")


def break_pages(root: Path) -> None:
    data = bytearray(database(root).read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    database(root).write_bytes(data)


def drop_tables(root: Path) -> None:
    database(root).unlink()
    with closing(sqlite3.connect(database(root))) as connection, connection:
        connection.execute("CREATE TABLE other (id INTEGER)")


@pytest.mark.parametrize("damage", [delete, empty, replace_by_text, break_pages, drop_tables])
def test_one_command_brings_back_all_that_mlflow_showed(
    grown: Path, damage: Callable[[Path], None]
) -> None:
    before = shown(grown)
    damage(grown)

    done = ratchet(grown, "reconcile", "--json")

    assert done.code == 0, done.err
    assert "rebuilt MLflow's database" in done.facts["done"][0]
    assert shown(grown) == before
    assert differences(grown) == []
    kept = list((grown / "mlruns").glob("mlflow.db.damaged-*"))
    assert len(kept) == (0 if damage is delete else 1)
    assert ratchet(grown, "reconcile", "--json").facts["done"] == []


def test_after_a_rebuild_the_champion_loads_and_the_next_version_follows(grown: Path) -> None:
    delete(grown)
    shutil.rmtree(grown / "mlruns" / "artifacts")
    assert ratchet(grown, "reconcile").code == 0

    uri = open_workspace(grown).registry.uri
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, uri], capture_output=True, text=True, check=False
    )
    assert loaded.stdout.split() == ["pos", "neg"], loaded.stderr
    assert differences(grown) == []
    assert settle(grown, batch(grown / "b3.jsonl", 3)).version == 3
    assert differences(grown) == []


def test_serving_the_champion_leaves_nothing_that_the_audit_does_not_know(grown: Path) -> None:
    uri = open_workspace(grown).registry.uri
    writing = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for flags in ([], ["-O"]):
        loaded = subprocess.run(
            [sys.executable, *flags, "-c", LOAD, uri], capture_output=True, text=True, env=writing
        )
        assert loaded.stdout.split() == ["pos", "neg"], loaded.stderr

    assert not list((grown / "mlruns" / "artifacts").rglob("__pycache__"))
    audited = ratchet(grown, "audit", "verify")
    assert audited.code == 0, audited.out


def test_a_link_where_mlflow_writes_at_each_load_is_found_and_moved_aside(grown: Path) -> None:
    model = run_files(grown) / "model"
    link = model / "registered_model_meta"
    link.unlink(missing_ok=True)
    link.symlink_to(grown / "params.yaml")
    wanted = (grown / "params.yaml").read_bytes()

    audited = ratchet(grown, "audit", "verify")
    done = ratchet(grown, "reconcile", "--json")

    assert audited.code == 4 and "registered_model_meta" in audited.out
    assert done.code == 0 and "registered_model_meta" in " ".join(done.facts["done"])
    assert not link.is_symlink() and (grown / "params.yaml").read_bytes() == wanted
    assert ratchet(grown, "audit", "verify").code == 0


def run_files(root: Path) -> Path:
    """Return the folder of the champion's files."""
    ws = open_workspace(root)
    champion = views.champion(ws.ledger)
    assert champion is not None
    folder = ws.registry.run_folder(champion.run)
    assert folder is not None
    return folder


@pytest.mark.parametrize("damage", [delete, empty, replace_by_text])
def test_every_other_command_names_the_one_that_rebuilds(
    grown: Path, damage: Callable[[Path], None]
) -> None:
    damage(grown)
    (grown / "data" / "incoming").mkdir(parents=True, exist_ok=True)
    told = ratchet(grown, "rollback", "--reason", "try")
    assert told.code == 4
    assert "ratchet reconcile" in told.err


def test_an_older_copy_is_completed_before_its_numbers_are_given_again(grown: Path) -> None:
    older = grown / "older.db"
    shutil.copy(database(grown), older)
    third = settle(grown, batch(grown / "b3.jsonl", 3, flip=True))
    assert (third.action, third.version) == ("rejected", 3)
    shutil.copy(older, database(grown))

    assert settle(grown, batch(grown / "b4.jsonl", 4)).version == 4

    assert differences(grown) == []
    assert sorted(open_workspace(grown).registry.shown()) == [1, 2, 3, 4]


def test_a_version_that_only_mlflow_knows_is_named(grown: Path) -> None:
    registry = open_workspace(grown).registry
    keys = [registry.shown()[number].tags["ratchet.key"] for number in (1, 2)]
    assert registry.unknown_versions(keys) == []
    [unknown] = registry.unknown_versions(keys[:1])
    assert (unknown.version, registry.newest_version()) == (2, 2)


def test_a_stage_that_was_set_is_taken_back(grown: Path) -> None:
    with closing(sqlite3.connect(database(grown))) as connection, connection:
        connection.execute("UPDATE model_versions SET current_stage = 'Production'")
    words = "MLflow, version {0}: version {0}: stage reads 'Production', not 'None'"
    assert differences(grown) == [words.format(number) for number in (1, 2)]
    assert ratchet(grown, "reconcile").code == 0
    assert differences(grown) == []


def test_a_deleted_experiment_comes_back_with_its_runs(grown: Path) -> None:
    ws = open_workspace(grown)
    client = MlflowClient(tracking_uri=ws.registry.uri, registry_uri=ws.registry.uri)
    experiment = client.get_experiment_by_name("ratchet")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    assert "ratchet reconcile" in ratchet(grown, "rollback", "--reason", "try").err

    assert ratchet(grown, "reconcile").code == 0

    assert differences(grown) == []
    assert len(client.search_runs([experiment.experiment_id])) == 2


@pytest.mark.crash
@pytest.mark.parametrize("at", ["set_aside", "create", "restore_experiment", "write 1", "write 2"])
def test_killed_half_way_through_a_rebuild_the_next_one_ends_right(grown: Path, at: str) -> None:
    before = shown(grown)
    empty(grown)
    name, _, number = at.partition(" ")
    child = os.fork()
    if child == 0:
        _die_before(name, int(number or 1))
        ratchet(grown, "reconcile")
        os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the place was not reached"

    assert ratchet(grown, "reconcile").code == 0

    assert shown(grown) == before
    assert differences(grown) == []


def _die_before(name: str, number: int) -> None:
    from components.registry import database as room

    module = {"create": room, "write": mlflow_rows}.get(name, restoring)
    honest, calls = getattr(module, name), []

    def deadly(*arguments: object) -> object:
        calls.append(name)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return honest(*arguments)

    setattr(module, name, deadly)


@pytest.mark.crash
def test_a_version_made_before_a_kill_is_adopted_with_its_listing(grown: Path) -> None:
    file = batch(grown / "b3.jsonl", 3)
    child = os.fork()
    if child == 0:
        settlement.record_registration = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        settle(grown, file)
        os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    audited = ratchet(grown, "audit", "verify")
    assert "MLflow, version 3: it is being registered" in audited.out, audited.err
    changed = max((grown / "mlruns" / "artifacts").glob("*/artifacts"), key=_changed)
    (changed / "model" / "served_model.py").write_text("answers = 'other'")

    done = ratchet(grown, "reconcile", "--json")

    assert done.code == 0, done.err
    assert [line for line in done.facts["done"] if "recorded version 3" in line]
    assert [line for line in done.facts["done"] if "served_model.py" in line]
    record = records(open_workspace(grown))[-1]
    assert (record.version.version, record.complete) == (3, True)
    assert differences(grown) == []


def _changed(folder: Path) -> float:
    return folder.stat().st_mtime


def as_written_before(root: Path) -> None:
    """Write the ledger's events again as an older Ratchet did, and what MLflow had from it."""
    ws = open_workspace(root)
    path = root / "mlruns" / "ratchet.db"
    events = views.events(ws.ledger)
    path.rename(root / "newer.db")
    (root / "mlruns" / "ledger.head").unlink()  # the older one noted none
    times = iter([event.time for event in events])
    ledger = Ledger(path, system_clock)
    with ledger.lease(ws.settings.model.name, 60) as lease:
        for event in events:
            payload = json.loads(event.payload)
            if event.kind.startswith("registration."):
                for name in DOCUMENTS:
                    payload.pop(name, None)
            ledger.clock = lambda: datetime.fromisoformat(next(times))
            ledger.append(decode(event.kind, json.dumps(payload)), lease)
            ledger.clock = system_clock
        ledger.note_in_order(lease)
    with closing(sqlite3.connect(database(root))) as connection, connection:
        names = "('ratchet.files', 'ratchet.texts')"
        connection.execute(f"DELETE FROM model_version_tags WHERE key IN {names}")


def test_a_root_of_an_older_ratchet_goes_on_and_is_rebuilt_as_far_as_it_can_be(
    grown: Path,
) -> None:
    as_written_before(grown)
    assert differences(grown) == []
    assert ratchet(grown, "reconcile", "--json").facts["done"] == []
    before = shown(grown)
    delete(grown)
    shutil.rmtree(grown / "mlruns" / "artifacts")

    assert ratchet(grown, "reconcile").code == 0

    after, ws = shown(grown), open_workspace(grown)

    def decision(number: int) -> Any:
        version = views.version(ws.ledger, number)
        assert version is not None
        return decision_on(ws, version)

    assert (after["aliases"], after["plots"]) == (before["aliases"], before["plots"])
    for number, version in ws.registry.shown().items():
        old = before["versions"][number]  # type: ignore[index]
        wrote = [f"- {reason}" for reason in decision(number)["reasons"]]  # as an older one did
        assert [each for each in version.description.splitlines() if each[:2] == "- "] == wrote
        assert version.description.partition("\n\n- ")[0] == old.description.partition("\n\n- ")[0]
        assert version.run.metrics == old.run.metrics  # type: ignore[union-attr]
        assert version.run.datasets == old.run.datasets  # type: ignore[union-attr]
    assert differences(grown) == []
    assert ratchet(grown, "audit", "verify").code == 0
    assert ratchet(grown, "reconcile", "--json").facts["done"] == []


def test_an_older_root_whose_files_are_changed_is_found_by_what_it_recorded(grown: Path) -> None:
    as_written_before(grown)
    [head] = (grown / "mlruns" / "artifacts").glob(
        f"*/artifacts/model/artifacts/{_bundle(grown)}/head.safetensors"
    )
    data = head.read_bytes()
    head.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert len(differences(grown)) == 1
    assert ratchet(grown, "reconcile").code == 0
    assert head.read_bytes() == data


def _bundle(root: Path) -> str:
    champion = views.champion(open_workspace(root).ledger)
    assert champion is not None
    return champion.bundle
