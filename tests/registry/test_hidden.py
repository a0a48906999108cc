"""Rows that MLflow passes over, or shows as something else: found, put right, and said."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.workspace.root import open_workspace
from tests.command import ratchet

PROMPT = "('mlflow.prompt.is_prompt', 'true', 'tiny'"
HIDDEN = {
    "model renamed": ("UPDATE registered_models SET name = 'tin0'", "model tiny"),
    "model elsewhere": ("UPDATE registered_models SET workspace = 'x'", "model tiny"),
    "versions elsewhere": ("UPDATE model_versions SET workspace = 'x'", "version 2"),
    "tags elsewhere": ("UPDATE model_version_tags SET workspace = 'x'", "ratchet.status"),
    "aliases elsewhere": ("UPDATE registered_model_aliases SET workspace = 'x'", "champion"),
    "experiment elsewhere": (
        "UPDATE experiments SET workspace = 'x' WHERE name = 'ratchet'", "experiment",
    ),
    "a version as a prompt": (
        f"INSERT INTO model_version_tags (key, value, name, version) VALUES {PROMPT}, 1)", "prompt",
    ),
    "no version as a prompt": (
        f"INSERT INTO model_version_tags (key, value, name, version) VALUES {PROMPT}, 9)", "prompt",
    ),
    "the model as a prompt": (
        f"INSERT INTO registered_model_tags (key, value, name) VALUES {PROMPT})", "prompt",
    ),
    "latest metrics": ("UPDATE latest_metrics SET is_nan = 1", "latest metric"),
    "metrics": ("UPDATE metrics SET is_nan = 1", "metric"),
}  # fmt: skip


def served(root: Path) -> list[object]:
    """What MLflow itself answers: the champion, its tags, how many versions, a metric that is."""
    uri = open_workspace(root).registry.uri
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    champion = client.get_model_version_by_alias("tiny", "champion")
    run = client.get_run(str(champion.run_id))
    history = client.get_metric_history(str(champion.run_id), "average_accuracy")
    assert math.isfinite(history[-1].value)
    found = client.search_model_versions("name = 'tiny'")
    models = client.search_registered_models("name = 'tiny'")
    return [champion.version, champion.tags, len(found), len(models), run.data.metrics]


@pytest.mark.parametrize("change", HIDDEN)
def test_what_mlflow_would_not_show_is_found_and_brought_back(grown: Path, change: str) -> None:
    before = served(grown)
    statement, named = HIDDEN[change]
    with closing(sqlite3.connect(grown / "mlruns" / "mlflow.db")) as connection, connection:
        assert connection.execute(statement).rowcount
    audited = ratchet(grown, "audit", "verify")
    assert audited.code == 4 and "reconcile" in audited.out, audited
    assert ratchet(grown, "audit", "verify").code == 4, "the audit repaired it"

    done = ratchet(grown, "reconcile", "--json")

    assert done.code == 0, done.err
    assert named in " ".join(done.facts["done"])
    assert "not changed" not in " ".join(done.facts["done"])
    assert served(grown) == before
    again = ratchet(grown, "audit", "verify")
    assert again.code == 0, again.out
    assert ratchet(grown, "reconcile", "--json").facts["done"] == []
