"""What MLflow says of versions in words: it follows from the ledger, and comes back from it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient

from components.registry.inspection import NOTE
from components.registry.mlflow_pages import VIEW_TAG
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.registry_state import registry_differences
from tests.stream import batch, settle

WORDS = ("accuracy", "outcome", "version", NOTE)


def client_of(ws: Workspace) -> MlflowClient:
    return MlflowClient(tracking_uri=ws.registry.uri, registry_uri=ws.registry.uri)


def test_run_and_version_say_what_became_of_it_how_good_it_is_and_why(grown: Path) -> None:
    assert settle(grown, batch(grown / "flipped.jsonl", 3, flip=True)).action == "rejected"
    ws = open_workspace(grown)
    assert list(registry_differences(ws)) == []

    client = client_of(ws)
    for number, outcome in ((1, "promoted"), (2, "promoted"), (3, "rejected")):
        row = client.get_model_version("tiny", str(number))
        run = client.get_run(row.run_id)
        tags = run.data.tags
        assert row.tags["outcome"] == tags["outcome"] == outcome
        assert tags["version"] == str(number)
        assert row.tags["accuracy"] == tags["accuracy"]
        share = run.data.metrics["accuracy/mood"]
        assert tags["accuracy"].startswith(f"mood {100 * share:.1f} %")
        note = tags[NOTE]
        assert note.startswith(f"**Version {number}: {outcome}.**")
        assert row.description.splitlines()[0] in note
        report = f"#/experiments/{run.info.experiment_id}/runs/{row.run_id}/artifacts/report.html"
        assert row.description.splitlines()[2].startswith(f"[The report]({report}")
        assert row.description.count("[The report](") == 1 and f"[The report]({report}" in note
        assert f"| mood | {100 * share:.1f} % | " in note
        assert row.description.startswith("Reject:" if number == 3 else "Promote:")
        assert min(row.tags) == "accuracy" and sorted(row.tags)[1] == "outcome"
    assert run.info.run_name == "flipped · rejected"
    assert [name for name in tags if name in WORDS[:3]] == list(WORDS[:3])
    assert [name for name in tags if not name.startswith("mlflow.")][:3] == list(WORDS[:3])


def test_a_barred_version_says_why_in_its_first_line(grown: Path) -> None:
    why = "the labels of b2 were swapped"
    assert ratchet(grown, "rollback", "--to", "1", "--reason", why).code == 0
    ws = open_workspace(grown)
    row = client_of(ws).get_model_version("tiny", "2")
    assert row.description.startswith(f"BARRED, rolled back: {why}. Promote: ")
    run = client_of(ws).get_run(row.run_id)
    assert run.info.run_name == "b2 · barred" and row.tags["outcome"] == "barred"
    first, second = run.data.tags[NOTE].split("\n\n")[:2]
    assert first.startswith("**Version 2: barred.** [The report](") and second.startswith(why)
    assert list(registry_differences(ws)) == []


def test_versions_of_an_older_ratchet_are_no_finding_and_get_their_words_once(grown: Path) -> None:
    names = ",".join(f"'{name}'" for name in WORDS)
    with closing(sqlite3.connect(grown / "mlruns" / "mlflow.db")) as mlflow, mlflow:
        for table in ("model_version_tags", "tags"):
            mlflow.execute(f"DELETE FROM {table} WHERE key IN ({names})")
        mlflow.execute("UPDATE runs SET name = substr(name, 1, 2) || '.jsonl'")
        mlflow.execute("UPDATE registered_models SET description = NULL")
        mlflow.execute("DELETE FROM experiment_tags WHERE key LIKE 'mlflow.sharedViewState.%'")
        told = mlflow.execute("SELECT version, description FROM model_versions").fetchall()
        for number, text in told:
            headline, _, body = text.split("\n\n", 2)
            changed = ("\n\n".join([headline, body]), number)
            mlflow.execute("UPDATE model_versions SET description = ? WHERE version = ?", changed)
    assert ratchet(grown, "audit", "verify", "--json").facts["findings"] == []

    done = ratchet(grown, "reconcile", "--json").facts["done"]
    assert any("tag outcome reads None, not 'promoted'" in line for line in done)
    ws = open_workspace(grown)
    assert list(registry_differences(ws)) == []
    client = client_of(ws)
    assert "models:/tiny@champion" in client.get_registered_model("tiny").description
    assert VIEW_TAG in client.get_experiment_by_name("ratchet").tags
    assert ratchet(grown, "reconcile", "--json").facts["done"] == []


def test_what_people_wrote_of_the_model_stays(grown: Path) -> None:
    ws = open_workspace(grown)
    about = client_of(ws).get_registered_model("tiny").description
    assert "`champion` is the version in force" in about
    client_of(ws).update_registered_model("tiny", "Ours: ask Ann.")
    assert ratchet(grown, "reconcile").code == 0
    assert client_of(ws).get_registered_model("tiny").description == "Ours: ask Ann."


def test_a_word_that_somebody_changed_is_found_and_put_right(grown: Path) -> None:
    ws = open_workspace(grown)
    client_of(ws).set_model_version_tag("tiny", "2", "outcome", "rejected")
    [finding] = ratchet(grown, "audit", "verify", "--json").facts["findings"]
    assert "tag outcome reads 'rejected', not 'promoted'" in str(finding)
    assert ratchet(grown, "reconcile").code == 0
    assert list(registry_differences(open_workspace(grown))) == []
