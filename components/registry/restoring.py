"""Putting MLflow right: its database, the experiment, and single versions.

Concept: in a database file of its own Ratchet writes rows (`mlflow_rows`), so versions keep their
numbers and runs their ids. On a server only MLflow's own calls are open; what they cannot
change (a lost version, a redirected source, a metric) is left, and said.

Promise: a damaged database is renamed, never deleted. All of it can be run again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import Corrupted
from components.registry import database, mlflow_rows
from components.registry.inspection import (
    HIDING,
    NO_STAGE,
    OWN,
    RUN_NAME,
    RunShown,
    Said,
    Shown,
    is_own,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

    from components.registry.submission import Version


NOTHING_THERE = ("is missing", "is empty")
"""What `damage` says where nothing is lost by writing a new file."""


def damage(path: Path) -> str | None:
    """Say what is wrong with the database file, or None where it can be used."""
    if not path.exists():
        return "is missing"
    if path.stat().st_size == 0:
        return "is empty"
    try:
        if not database.is_present(path):
            return "is empty"
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            [told] = connection.execute("PRAGMA quick_check(1)").fetchone()
    except Corrupted as other:
        return other.message.removeprefix(f"{path} ").rstrip(".")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return None
        return f"is damaged ({error})"
    return None if told == "ok" else "is damaged"


def set_aside(path: Path, stamp: str) -> Path | None:
    """Rename what lies at `path`, with its journals: a stale one would spoil the next database."""
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("-journal", "-wal", "-shm", ""):
        file = path.with_name(path.name + suffix)
        if file.exists():
            os.replace(file, aside.with_name(aside.name + suffix))
    return aside if aside.exists() else None


def restore_experiment(path: Path, name: str) -> bool:
    """Bring a deleted experiment back, its runs stay as they are; tell whether it was one."""
    with mlflow_rows.opened(path) as connection:
        done = connection.execute(
            "UPDATE experiments SET lifecycle_stage = 'active'"
            " WHERE name = ? AND lifecycle_stage = 'deleted'",
            (name,),
        )
    return bool(done.rowcount)


def restore_names(path: Path, model: str, experiment: str) -> list[str]:
    """Let MLflow find model and experiment under their names again; return what was done.

    They may lie in a workspace that it does not read, or pass for prompts.
    """
    done = []
    with mlflow_rows.opened(path) as connection:
        for table, what, name in (
            ("registered_models", "model", model),
            ("experiments", "experiment", experiment),
        ):
            if mlflow_rows.bring_here(connection, table, "name = ?", (name,)):
                done.append(f"restored the {what} {name} to where MLflow reads it")
        for table in ("registered_model_tags", "model_version_tags"):
            statement = f"DELETE FROM {table} WHERE name = ? AND key = ?"  # noqa: S608
            if connection.execute(statement, (model, HIDING)).rowcount:
                done.append(f"removed the tag {HIDING}, which made MLflow hide the model {model}")
    return done


def shown_by_server(client: MlflowClient, version: ModelVersion) -> Shown:
    """Return what a server shows of a version. Earlier values of a metric are not asked for."""
    from mlflow.exceptions import MlflowException

    try:
        run = _run_shown(client, client.get_run(str(version.run_id)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        run = None
    return Shown(
        int(version.version),
        str(version.run_id),
        str(version.source),
        str(version.source),
        run,
        version.description or "",
        dict(version.tags),
        str(version.status),
        version.current_stage or NO_STAGE,
    )


def _run_shown(client: MlflowClient, run: Run) -> RunShown:
    experiment = client.get_experiment(run.info.experiment_id)
    inputs = run.inputs.dataset_inputs if run.inputs else []
    datasets = [each.dataset for each in inputs]
    return RunShown(
        run.info.run_id,
        experiment.name,
        str(run.info.artifact_uri),
        run.info.status,
        run.info.lifecycle_stage,
        run.info.run_name,
        dict(run.data.tags),
        dict(run.data.params),
        None,
        dict(run.data.metrics),
        tuple(sorted((d.name, d.digest, d.source, d.profile or "") for d in datasets)),
    )


def put_right_by_calls(
    client: MlflowClient, model: str, wanted: Shown, found: Shown | None
) -> None:
    """Change on a server what MLflow's calls can change: texts, tags, a deleted run."""
    if found is None:
        return
    number = str(wanted.version)
    if wanted.description is not None and wanted.description != found.description:
        client.update_model_version(model, number, wanted.description)
    if found.stage != wanted.stage:
        # The client's own call warns that stages are old.
        registry = client._get_registry_client()  # type: ignore[no-untyped-call]
        registry.transition_model_version_stage(model, number, wanted.stage)
    for key, value in wanted.tags.items():
        if is_own(key) and found.tags.get(key) != value:
            client.set_model_version_tag(model, number, key, value)
    for key in _surplus(wanted.tags, found.tags):
        client.delete_model_version_tag(model, number, key)
    if wanted.run is None or found.run is None or found.run_id != wanted.run_id:
        return
    if found.run.stage == "deleted":
        client.restore_run(wanted.run_id)
    if wanted.run.name is not None and found.run.name != wanted.run.name:
        client.update_run(wanted.run_id, name=wanted.run.name)
    if found.run.status != wanted.run.status:
        client.set_terminated(wanted.run_id, wanted.run.status)
    for key, value in wanted.run.tags.items():
        if is_own(key) and found.run.tags.get(key) != value:
            client.set_tag(wanted.run_id, key, value)
    for key in _surplus(wanted.run.tags, found.run.tags):
        client.delete_tag(wanted.run_id, key)


def say_by_calls(client: MlflowClient, model: str, said: Said, now: Version) -> None:
    """Write on a server what a decision changes. `now`: the version as MLflow shows it."""
    from mlflow.entities import RunTag

    number = str(said.version)
    client.log_batch(said.run_id, tags=[RunTag(*each) for each in said.run_tags.items()])
    client.update_run(said.run_id, name=said.run_tags[RUN_NAME])
    for key, value in said.tags.items():
        if now.tags.get(key) != value:
            client.set_model_version_tag(model, number, key, value)
    if said.description != now.description:
        client.update_model_version(model, number, said.description)


def _surplus(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    surplus = found.keys() - wanted.keys()
    return sorted(key for key in surplus if key.startswith(OWN) or key == HIDING)
