"""MLflow's rows of a version in SQLite: read as they are, and put right in one transaction.

Concept: MLflow's own calls can neither give a version its old number, nor a run its old id,
nor lower a metric that was logged. Where the database is a file of this root, a version is
put right in its tables.

Promise: `write` changes all of a version in one transaction, so a kill leaves the old rows or
the new ones. What people added (tags without `ratchet.`, metrics and params under other
names) stays. Columns that Ratchet does not know get MLflow's defaults.
"""

from __future__ import annotations

import json
import math
import sqlite3
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from components.registry import database
from components.registry.inspection import (
    HIDING,
    NO_STAGE,
    OWN,
    RUN_NAME,
    Glance,
    RunShown,
    Said,
    Shown,
)

_RUN_DEFAULTS = {"source_type": "UNKNOWN", "source_name": "", "entry_point_name": ""}

HERE = "workspace = 'default'"
"""The condition that MLflow itself reads with: rows of another workspace are none to it."""

Rows = dict[str, dict[str, Any]]


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open one transaction, immediately, on MLflow's database; an exception undoes it."""
    with database.translated(str(path)), closing(sqlite3.connect(path, timeout=20)) as connection:
        connection.row_factory = sqlite3.Row
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


@contextmanager
def _looking(path: Path) -> Iterator[sqlite3.Connection]:
    """Open MLflow's database for questions alone."""
    with database.translated(str(path)), closing(sqlite3.connect(path, timeout=20)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def read(path: Path, model: str, number: int | None = None) -> dict[int, Shown]:
    """Return what MLflow shows of every version of `model`, or of one."""
    with _looking(path) as connection:
        one, given = ("", ()) if number is None else (" AND version = ?", (number,))
        versions = connection.execute(
            f"SELECT * FROM model_versions WHERE {HERE} AND name = ? AND"
            f" ifnull(current_stage, '') != 'Deleted_Internal'{one}",
            (model, *given),
        ).fetchall()
        runs = _runs(connection, [str(row["run_id"]) for row in versions])
        tags: Rows = defaultdict(dict)
        statement = (
            f"SELECT version, key, value FROM model_version_tags WHERE {HERE} AND name = ?{one}"
        )
        for version, key, value in connection.execute(statement, (model, *given)):
            tags[version][key] = value
    return {row["version"]: _shown(row, tags[row["version"]], runs) for row in versions}


def _shown(row: sqlite3.Row, tags: dict[str, Any], runs: Mapping[str, RunShown]) -> Shown:
    return Shown(
        int(row["version"]),
        str(row["run_id"]),
        str(row["source"]),
        str(row["storage_location"]),
        runs.get(str(row["run_id"])),
        row["description"] or "",
        tags,
        str(row["status"]),
        row["current_stage"] or NO_STAGE,
    )


def _runs(connection: sqlite3.Connection, wanted: list[str]) -> dict[str, RunShown]:
    """Return the runs of these ids."""
    chosen = "(SELECT value FROM json_each(?))"
    asked = (json.dumps(wanted),)

    def per_run(table: str) -> Rows:
        found: Rows = defaultdict(dict)
        statement = f"SELECT run_uuid, key, value FROM {table} WHERE run_uuid IN {chosen}"
        for run, key, value in connection.execute(statement, asked):
            found[run][key] = value
        return found

    tags, params = map(per_run, ("tags", "params"))
    metrics, latest = (
        _metrics(connection, table, chosen, asked) for table in ("metrics", "latest_metrics")
    )
    datasets = _datasets(connection, chosen, asked)
    rows = connection.execute(
        "SELECT runs.*, here.name AS experiment FROM runs LEFT JOIN"
        f" (SELECT experiment_id, name FROM experiments WHERE {HERE}) AS here"
        f" USING (experiment_id) WHERE run_uuid IN {chosen}",
        asked,
    )
    return {
        run: RunShown(
            run,
            str(row["experiment"]),
            str(row["artifact_uri"]),
            str(row["status"]),
            str(row["lifecycle_stage"]),
            row["name"],
            tags[run],
            params[run],
            metrics[run],
            {key: values[-1] for key, values in latest[run].items()},
            tuple(datasets[run]),
        )
        for row in rows
        for run in [str(row["run_uuid"])]
    }


def _metrics(
    connection: sqlite3.Connection, table: str, chosen: str, asked: tuple[str]
) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return {run: {metric: its values as MLflow shows them, the oldest first}}."""
    found: dict[str, dict[str, tuple[float, ...]]] = defaultdict(dict)
    statement = (
        f"SELECT run_uuid, key, value, is_nan FROM {table} WHERE run_uuid IN {chosen}"
        " ORDER BY timestamp, step, value"
    )
    for run, key, value, is_nan in connection.execute(statement, asked):
        found[run][key] = (*found[run].get(key, ()), math.nan if is_nan else value)
    return found


def _datasets(
    connection: sqlite3.Connection, chosen: str, asked: tuple[str]
) -> dict[str, list[tuple[str, str, str, str]]]:
    found: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    statement = (
        "SELECT destination_id, name, digest, dataset_source, dataset_profile FROM inputs"
        " JOIN datasets ON dataset_uuid = source_id"
        f" WHERE destination_type = 'RUN' AND destination_id IN {chosen} ORDER BY name, digest"
    )
    for run, *dataset in connection.execute(statement, asked):
        found[run].append(tuple(dataset))
    return found


def glance(path: Path, model: str, champion: int | None) -> Glance:
    """Return aliases, the highest number, and what the champion's row serves."""
    with _looking(path) as connection:
        asked = f"SELECT alias, version FROM registered_model_aliases WHERE {HERE} AND name = ?"
        aliases = {alias: int(number) for alias, number in connection.execute(asked, (model,))}
        serves = connection.execute(
            f"SELECT run_id, source, storage_location FROM model_versions WHERE {HERE}"
            " AND name = ? AND version = ? AND ifnull(current_stage, '') != 'Deleted_Internal'",
            (model, champion),
        ).fetchone()
        number = _newest(connection, model)
    return Glance(aliases, number, serves and tuple(map(str, serves)))


def other_models(path: Path, model: str) -> list[str]:
    """Return the names of the registered models beside `model`."""
    with _looking(path) as connection:
        asked = "SELECT DISTINCT name FROM registered_models WHERE name != ? ORDER BY name"
        return [str(name) for (name,) in connection.execute(asked, (model,))]


def hiding(path: Path, model: str) -> list[int]:
    """Return the numbers whose tags make MLflow hide every version, there or not."""
    with _looking(path) as connection:
        asked = f"SELECT version FROM model_version_tags WHERE {HERE} AND name = ? AND key = ?"
        return sorted(int(number) for (number,) in connection.execute(asked, (model, HIDING)))


def experiment_of(
    path: Path, otherwise: str, run_id: str = "", wanted: str | None = None
) -> str | None:
    """Return the id of the experiment `wanted`, else of a run's, else of `otherwise`; or None."""
    named = f"(SELECT experiment_id FROM experiments WHERE {HERE} AND name = ?)"
    of_run = "(SELECT experiment_id FROM runs WHERE run_uuid = ?)"
    with _looking(path) as connection:
        [found] = connection.execute(
            f"SELECT coalesce({named}, {of_run}, {named})", (wanted, run_id, otherwise)
        ).fetchone()
    return None if found is None else str(found)


def stands(path: Path, experiment: str, artifacts: str, model: str) -> bool:
    """Tell whether experiment and model are there for MLflow, and the files at their place."""
    with _looking(path) as connection:
        found = connection.execute(
            f"SELECT artifact_location, lifecycle_stage FROM experiments WHERE {HERE} AND name = ?",
            (experiment,),
        ).fetchone()
        shown = connection.execute(
            f"SELECT 1 FROM registered_models AS m WHERE {HERE} AND name = ? AND NOT EXISTS"
            f" (SELECT 1 FROM registered_model_tags WHERE {HERE} AND name = m.name AND key = ?)",
            (model, HIDING),
        ).fetchone()
    in_place = found is not None and tuple(found) == (artifacts, "active")
    return in_place and shown is not None and not hiding(path, model)


def artifacts_of(path: Path, experiment: str) -> str | None:
    """Return the address of an experiment's files; None where it can't be read at once."""
    asked = f"SELECT artifact_location FROM experiments WHERE {HERE} AND name = ?"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(asked, (experiment,)).fetchone()
    except sqlite3.DatabaseError:
        return None
    return None if found is None else str(found[0])


def newest(path: Path, model: str) -> int | None:
    """Return the highest number that MLflow ever gave and still knows, or None."""
    with _looking(path) as connection:
        return _newest(connection, model)


def _newest(connection: sqlite3.Connection, model: str) -> int | None:
    asked = f"SELECT max(version) FROM model_versions WHERE {HERE} AND name = ?"
    [number] = connection.execute(asked, (model,)).fetchone()
    return None if number is None else int(number)


def write(path: Path, model: str, experiment_id: int, wanted: Shown, when: int) -> None:
    """Put version, run, tags, numbers and dataset right. `when`: milliseconds, for new rows."""
    run = wanted.run
    assert run is not None  # what is expected names its run
    with opened(path) as connection:
        _write_run(connection, experiment_id, run, when)
        _write_numbers(connection, run, when)
        _write_dataset(connection, experiment_id, run)
        _write_version(connection, model, wanted, when)


def say(path: Path, model: str, said: Said) -> None:
    """Write what a decision changes, in one transaction: MLflow's calls take ten times as long."""
    key = {"workspace": "default", "name": model, "version": said.version}
    with opened(path) as connection:
        for name, value in said.tags.items():
            _upsert(connection, "model_version_tags", {**key, "key": name}, {"value": value}, {})
        for name, value in said.run_tags.items():
            tag = {"run_uuid": said.run_id, "key": name}
            _upsert(connection, "tags", tag, {"value": value}, {})
        connection.execute(
            "UPDATE runs SET name = ? WHERE run_uuid = ?", (said.run_tags[RUN_NAME], said.run_id)
        )
        connection.execute(
            f"UPDATE model_versions SET description = ? WHERE {HERE} AND name = ? AND version = ?",
            (said.description, model, said.version),
        )


def _write_run(
    connection: sqlite3.Connection, experiment_id: int, run: RunShown, when: int
) -> None:
    ours: dict[str, Any] = {
        "status": run.status,
        "lifecycle_stage": run.stage,
        "deleted_time": None,
        "artifact_uri": run.artifacts,
    }
    if run.name is not None:
        ours["name"] = run.name
    new = {"start_time": when, "end_time": when, **_RUN_DEFAULTS, "user_id": "unknown"}
    (new if run.experiment is None else ours)["experiment_id"] = experiment_id
    _upsert(connection, "runs", {"run_uuid": run.run_id}, ours, new)
    tags = dict(run.tags) if run.name is None else {**run.tags, RUN_NAME: run.name}
    connection.execute(
        "DELETE FROM tags WHERE run_uuid = ? AND substr(key, 1, ?) = ?", (run.run_id, len(OWN), OWN)
    )
    for key, value in tags.items():
        _upsert(connection, "tags", {"run_uuid": run.run_id, "key": key}, {"value": value}, {})


def _write_numbers(connection: sqlite3.Connection, run: RunShown, when: int) -> None:
    for key, value in (run.params or {}).items():
        _upsert(connection, "params", {"run_uuid": run.run_id, "key": key}, {"value": value}, {})
    for key, metric in (run.latest or {}).items():
        of_run = {"run_uuid": run.run_id, "key": key}
        row = {"value": metric, "timestamp": when, "step": 0, "is_nan": 0}
        for table in ("metrics", "latest_metrics"):
            _delete(connection, table, of_run)
            _upsert(connection, table, of_run, row, {}, fresh=True)


def _write_dataset(connection: sqlite3.Connection, experiment_id: int, run: RunShown) -> None:
    if run.datasets is None:
        return
    of_run = {"destination_type": "RUN", "destination_id": run.run_id}
    _delete(connection, "inputs", of_run)
    for name, digest, source, profile in run.datasets:
        key = {"experiment_id": experiment_id, "name": name, "digest": digest}
        ours = {
            "dataset_source_type": "local",
            "dataset_source": source,
            "dataset_profile": profile,
        }
        _upsert(connection, "datasets", key, ours, {"dataset_uuid": uuid.uuid4().hex})
        [dataset] = connection.execute(
            "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?",
            tuple(key.values()),
        ).fetchone()
        link = {**of_run, "source_type": "DATASET", "source_id": dataset}
        identity = uuid.uuid4().hex
        _upsert(connection, "inputs", link, {"input_uuid": identity}, {})
        tag = {"input_uuid": identity, "name": "mlflow.data.context"}
        _upsert(connection, "input_tags", tag, {"value": "training"}, {})


def _write_version(connection: sqlite3.Connection, model: str, wanted: Shown, when: int) -> None:
    of_version = (model, wanted.version)
    for table in ("model_versions", "model_version_tags"):
        bring_here(connection, table, "name = ? AND version = ?", of_version)
    key = {"workspace": "default", "name": model, "version": wanted.version}
    ours = {
        "source": wanted.source,
        "storage_location": wanted.storage,
        "run_id": wanted.run_id,
        "status": wanted.status,
        "current_stage": wanted.stage,
        "last_updated_time": when,
    }
    if wanted.description is not None:
        ours["description"] = wanted.description
    _upsert(connection, "model_versions", key, ours, {"creation_time": when})
    connection.execute(
        "DELETE FROM model_version_tags WHERE name = ? AND version = ?"
        " AND (substr(key, 1, ?) = ? OR key = ?)",
        (*of_version, len(OWN), OWN, HIDING),
    )
    for name, value in wanted.tags.items():
        _upsert(connection, "model_version_tags", {**key, "key": name}, {"value": value}, {})


def bring_here(
    connection: sqlite3.Connection, table: str, where: str, given: tuple[Any, ...]
) -> bool:
    """Move rows of another workspace to where MLflow reads; a row that is here stays as it is."""
    statement = f"UPDATE OR IGNORE {table} SET {HERE} WHERE {where} AND NOT {HERE}"
    return connection.execute(statement, given).rowcount > 0


def _delete(connection: sqlite3.Connection, table: str, key: Mapping[str, Any]) -> None:
    where = " AND ".join(f"{column} = ?" for column in key)
    connection.execute(f"DELETE FROM {table} WHERE {where}", tuple(key.values()))


def _upsert(
    connection: sqlite3.Connection,
    table: str,
    key: Mapping[str, Any],
    ours: Mapping[str, Any],
    new: Mapping[str, Any],
    fresh: bool = False,
) -> None:
    """Set the columns `ours` of the row `key`; a new row gets those of `new` as well."""
    where = " AND ".join(f"{column} = ?" for column in key)
    if not fresh:
        assigned = ", ".join(f"{column} = ?" for column in ours)
        done = connection.execute(
            f"UPDATE {table} SET {assigned} WHERE {where}",
            (*ours.values(), *key.values()),
        )
        if done.rowcount:
            return
    row = {**key, **ours, **new}
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))
