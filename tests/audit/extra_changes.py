"""What may be added beside what Ratchet keeps: found, or named where it decides nothing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.audit.changing import Make, added, at, gone, listing_of, row, version
from tests.audit.mlflow_changes import in_run, mlflow

TRIGGER = "CREATE TRIGGER t AFTER INSERT ON {} BEGIN DELETE FROM {}; END"
VERSION_COPY = (
    "INSERT INTO model_versions (name, version, current_stage, source, storage_location, run_id,"
    " status, workspace) SELECT name, 90, 'None', {source}, {source}, run_id, status, workspace"
    " FROM model_versions WHERE version = {{v}}"
)
ALIAS = (
    "INSERT INTO registered_model_aliases (alias, version, name, workspace)"
    " SELECT '{alias}', {number}, name, workspace FROM registered_models"
)


def defined(root: Path, database: str, *statements: str) -> str:
    with closing(sqlite3.connect(root / "mlruns" / database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return database


for database, table in {"mlflow.db": "runs", "scores.db": "scored"}.items():
    row("tables", f"{database}: a trigger", defined, database, TRIGGER.format(table, table))
    row(
        "tables", f"{database}: a view in the place of a table", defined, database,
        f"ALTER TABLE {table} RENAME TO mine",
        f"CREATE VIEW {table.upper()} AS SELECT * FROM mine",
    )  # fmt: skip
row("tables", "mlflow.db: a trigger under the name of MLflow's own", defined, "mlflow.db",
    "DROP TRIGGER prevent_secrets_aad_mutation",
    TRIGGER.replace(" t ", " prevent_secrets_aad_mutation ").format("runs", "tags"))  # fmt: skip

for name, source in {
    "of another source": "'file:///tmp/mine'",
    "of a link to a model": "'models:/mine/1'",
    "like the champion": "source",
}.items():
    row("MLflow", f"a version {name}", mlflow, VERSION_COPY.format(source=source), "version 90")
row("MLflow", "stage", mlflow, "UPDATE model_versions SET current_stage = 'Production'"
    " WHERE version = {v}", "version {v}: stage")  # fmt: skip
for alias in ("Champion", "champion2", "latest"):
    row("MLflow", f"alias {alias}", mlflow, ALIAS.format(alias=alias, number="{v}"), alias)

for table, named in {
    "registered_models": "the registered model tiny",
    "model_versions": "version {v}",
    "model_version_tags": "version {v}: tag",
    "registered_model_aliases": "champion",
    "experiments": "experiment",
}.items():
    row("MLflow", f"{table}: in another workspace", mlflow, f"UPDATE {table} SET workspace = 'x'",
        named)  # fmt: skip
for table in ("metrics", "latest_metrics"):
    row("MLflow", f"{table}: no number", mlflow, f"UPDATE {table} SET is_nan = 1", "metric")
row("MLflow", "the model under another name", mlflow, "UPDATE registered_models SET name = 'mine'",
    "the registered model tiny")  # fmt: skip
for name, given in {"a version": "{v}", "no version": "90"}.items():
    row("MLflow", f"{name} tagged as a prompt", mlflow, "INSERT INTO model_version_tags"
        " (key, value, name, version) VALUES ('mlflow.prompt.is_prompt', 'true', 'tiny',"
        f" {given})", "mlflow.prompt.is_prompt")  # fmt: skip
row("MLflow", "the model tagged as a prompt", mlflow, "INSERT INTO registered_model_tags"
    " (key, value, name) VALUES ('mlflow.prompt.is_prompt', 'true', 'tiny')",
    "the registered model tiny")  # fmt: skip
row("MLflow", "compiled code beside the model", in_run, "champion",
    "model/__pycache__/served_model.cpython-311.pyc", added)  # fmt: skip


def led_away(path: Path) -> str:
    """Let MLflow write elsewhere when the model is loaded."""
    path.unlink(missing_ok=True)
    path.symlink_to(path.parents[1] / "mine")
    return path.name


row("MLflow", "what is written on loading: a link", in_run, "champion",
    "model/registered_model_meta", led_away)  # fmt: skip


def elsewhere(root: Path, status: str) -> str:
    """Let an alias of a person's own lead to a version that never served, or serves no more."""
    number = version(root, status).version
    return mlflow(root, ALIAS.format(alias="mine", number=number), "mine")


for status in ("rejected", "barred"):
    row("MLflow", f"an alias to a {status} version", elsewhere, status)


def dvc(root: Path, name: str, text: str) -> str:
    with (root / ".dvc" / name).open("a", encoding="utf-8") as file:
        file.write(text)
    return f".dvc/{name}"


for name in ("config", "config.local"):
    for what, text in {
        "garbage": "[[[\n",
        "a section that DVC does not know": "[mine]\nx = 1\n",
        "another cache": "[cache]\ndir = /tmp/mine\n",
        "another default": "[core]\nremote = mine\n['remote \"mine\"']\nurl = /tmp/mine\n",
        "another remote": "['remote \"ratchet\"']\nurl = /tmp/mine\n",
    }.items():
        if name == "config.local" or not ("[core]" in text or "ratchet" in text):
            row("DVC's settings", f"{name}: {what}", dvc, name, text)


def reset(root: Path, old: str, new: str) -> str:
    path = root / ".dvc" / "config"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return ".dvc/config"


row("DVC's settings", "config: gone", lambda r: gone(r / ".dvc" / "config"))
row("DVC's settings", "config: another remote", reset, "url = ../data", "url = ../mine")
row("DVC's settings", "config: another default", reset, "remote = ratchet", "remote = mine")


def opened(root: Path, name: str) -> str:
    (root / name).chmod(0o777)
    return name


for name in ("", "params.yaml", "mlruns", "mlruns/bundles", "mlruns/mlflow.db", "data/batches"):
    row("permissions", f"everybody may write {name or 'the root'}", opened, name)


def opened_below(root: Path) -> str:
    path = next((root / "mlruns" / "bundles").rglob("head.safetensors"))
    path.chmod(0o666)
    return str(path.relative_to(root))


row("permissions", "everybody may write a file of a bundle", opened_below)
row("permissions", "everybody may write the base", opened, "base")


def piped(root: Path, pattern: str) -> str:
    path = next(root.glob(pattern))
    path.unlink()
    os.mkfifo(path)
    return str(path.relative_to(root))


for pattern in ("mlruns/documents/*.json", "data/holdout.dvc", "data/batches/*/*/raw.*"):
    row("kinds of files", f"a pipe for {pattern}", piped, pattern)

row("recorded head", "gone", lambda r: gone(r / "mlruns" / "ledger.head"))


# What decides nothing: it is named as not looked at.

NAMED: dict[str, Make] = {}


def named(name: str, make: Callable[[Path], str]) -> None:
    NAMED[name] = make


named("a folder among the bundles", lambda r: added(at(r).bundles / "mine" / "x") and "mine")
named("a file among the documents", lambda r: added(r / "mlruns" / "documents" / "mine"))
named("a folder in mlruns", lambda r: added(r / "mlruns" / "mine" / "x") and "mine in mlruns")
named("files of no run", lambda r: added(r / "mlruns" / "artifacts" / "mine" / "x") and "mine")
for database in ("mlflow.db", "scores.db", "ratchet.db"):
    for kind, text in {"view": "AS SELECT 1", "table": "(x)"}.items():
        named(
            f"a {kind} in {database}",
            lambda r, d=database, s=f"CREATE {kind} mine {text}": defined(r, d, s) and "mine in",  # type: ignore[misc]
        )
named("an alias of a person", lambda r: mlflow(r, ALIAS.format(alias="mine", number="{v}"), "mine"))
named("another model", lambda r: mlflow(
    r, "INSERT INTO registered_models (name, workspace) VALUES ('mine', 'default')", "mine"
))  # fmt: skip
for place in (".dvc/cache", "data/remote"):
    named(
        f"an object in {place}",
        lambda r, p=place: (
            added(listing_of(r, p, "data/holdout.dvc").with_name("mine")) and p.split("/")[1]
        ),
    )
