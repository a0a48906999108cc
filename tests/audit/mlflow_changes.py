"""What may be changed in MLflow: its database, and the files that its versions are loaded from."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.audit.changing import (
    added,
    at,
    flipped,
    gone,
    grown,
    linked,
    row,
    swapped,
    version,
)


def mlflow(root: Path, statement: str, named: str) -> str:
    """Change rows; `{v}` and `{r}` are the champion's number and run, `{o}` its parent's run."""
    champion, parent = version(root, "champion"), version(root, "former")
    text = statement.format(v=champion.version, r=champion.run, o=parent.run)
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as database, database:
        assert database.execute(text).rowcount != 0, text
    return named.format(v=champion.version)


def run_of(root: Path, status: str) -> Path:
    return at(root).mlruns / "artifacts" / version(root, status).run / "artifacts"


def in_run(root: Path, status: str, name: str, do: Callable[[Path], str]) -> str:
    return do(run_of(root, status) / name)


def in_model(root: Path, status: str, name: str, do: Callable[[Path], str]) -> str:
    bundle = version(root, status).bundle
    return do(run_of(root, status) / "model" / "artifacts" / bundle / name)


def in_code(root: Path, status: str, name: str, do: Callable[[Path], str]) -> str:
    [package] = (run_of(root, status) / "model" / "code").iterdir()
    return do(package / "model" / name)


def models_swapped(root: Path) -> str:
    swapped(run_of(root, "champion") / "model", run_of(root, "former") / "model")
    return "MLmodel"


def forgotten(root: Path, status: str) -> str:
    """Let MLflow know nothing of a version, as an older database does."""
    number = version(root, status).version
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as database, database:
        for table in ("model_version_tags", "model_versions"):
            assert database.execute(f"DELETE FROM {table} WHERE version = {number}").rowcount
    return f"version {number}"


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return path.name


VERSION = "version {v}"
for name, statement in {
    "description": "UPDATE model_versions SET description = 'Promote: x' WHERE version = {v}",
    "source": "UPDATE model_versions SET source = replace(source, '{r}', '{o}') WHERE version={v}",
    "where it is loaded from": "UPDATE model_versions SET storage_location ="
    " replace(source, '{r}', '{o}') WHERE version = {v}",
    "its run": "UPDATE model_versions SET run_id = '{o}' WHERE version = {v}",
    "status of the row": "UPDATE model_versions SET status = 'FAILED' WHERE version = {v}",
    "row deleted": "DELETE FROM model_versions WHERE version = {v}",
    "tag: evidence": "UPDATE model_version_tags SET value = 'x' WHERE key = 'ratchet.evidence'",
    "tag: status": "UPDATE model_version_tags SET value = 'held' WHERE key = 'ratchet.status'",
    "tag: bundle": "UPDATE model_version_tags SET value = 'x' WHERE key = 'ratchet.bundle'",
    "tag deleted": "DELETE FROM model_version_tags WHERE key = 'ratchet.batch'",
    "tag invented": "INSERT INTO model_version_tags (key, value, name, version, workspace) SELECT"
    " 'ratchet.mine', 'x', name, version, workspace FROM model_versions WHERE version = {v}",
    "metric": "UPDATE metrics SET value = 1 - value WHERE key = 'average_accuracy'",
    "latest metric": "UPDATE latest_metrics SET value = 0.5 WHERE key = 'average_accuracy'",
    "metric deleted": "DELETE FROM latest_metrics WHERE key = 'average_accuracy'",
    "param": "UPDATE params SET value = '99' WHERE key = 'epochs'",
    "tag of the run": "UPDATE tags SET value = 'x' WHERE key = 'ratchet.batch'",
    "run deleted": "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = '{r}'",
    "where the run's files lie": "UPDATE runs SET artifact_uri = replace(artifact_uri, '{r}',"
    " '{o}') WHERE run_uuid = '{r}'",
    "dataset": "UPDATE datasets SET digest = 'x'",
}.items():
    row("MLflow", f"{name}", mlflow, statement, VERSION)
for name, statement in {
    "alias champion: another version": "UPDATE registered_model_aliases SET version = 1"
    " WHERE alias = 'champion'",
    "alias champion: gone": "DELETE FROM registered_model_aliases WHERE alias = 'champion'",
}.items():
    row("MLflow", name, mlflow, statement, "champion")
row("MLflow", "row of a rejected version deleted", forgotten, "rejected")
row("MLflow", "an older database", forgotten, "barred")
row("MLflow", "the database gone", lambda r: gone(r / "mlruns" / "mlflow.db"))
row("MLflow", "the database emptied", lambda r: written(r / "mlruns" / "mlflow.db", b""))
row("MLflow", "the database is none", lambda r: written(r / "mlruns" / "mlflow.db", b"no" * 999))
MODEL = {
    "MLmodel": "model/MLmodel",
    "served_model.py": "model/served_model.py",
    "requirements.txt": "model/requirements.txt",
    "conda.yaml": "model/conda.yaml",
    "evidence": "evidence.json",
    "snapshot": "snapshot.json",
    "report": "report.html",
    "plot": "plots/accuracy.png",
}
for name, file in MODEL.items():
    row("MLflow", f"{name}: changed", in_run, "champion", file, flipped)
for name in ("served_model.py", "MLmodel", "report", "evidence"):
    row("MLflow", f"{name}: gone", in_run, "champion", MODEL[name], gone)
    row("MLflow", f"a rejected version's {name}: changed", in_run, "rejected", MODEL[name], flipped)
for name, do in {"changed": flipped, "gone": gone, "a link": linked}.items():
    row("MLflow", f"served code: {name}", in_code, "champion", "encoding.py", do)
row("MLflow", "served code: compiled", in_code, "champion", "__pycache__/x.pyc", added)
row("MLflow", "a rejected version's code: changed", in_code, "rejected", "encoding.py", flipped)
row("MLflow", "served_model.py: a link", in_run, "champion", MODEL["served_model.py"], linked)
row("MLflow", "code beside the model", in_run, "champion", "model/more.py", added)
row("MLflow", "requirements: a line more", in_run, "champion", "model/requirements.txt", grown)
for file in ("head.safetensors", "labels.json", "adapter/adapter_model.safetensors"):
    row("MLflow", f"served {file}: changed", in_model, "champion", file, flipped)
row("MLflow", "served head: gone", in_model, "champion", "head.safetensors", gone)
row("MLflow", "a barred version's head: changed", in_model, "barred", "head.safetensors", flipped)
row("MLflow", "models of champion and parent swapped", models_swapped)
row("MLflow", "the champion's files gone", lambda r: gone(run_of(r, "champion")) and "MLmodel")
