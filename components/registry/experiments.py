"""The experiment that holds the runs, and the registered model that holds the versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.errors import ConfigError, NeedsHuman
from components.registry import mlflow_pages, mlflow_rows

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from components.registry.connection import Connection


def ensure_experiment(
    connection: Connection,
    client: MlflowClient,
    name: str,
    kind: str = "custom_model_development",
) -> None:
    """Make the experiment where there is none.

    `kind`: which of MLflow's pages it opens on.

    Raises:
        ConfigError: it is another root's, whose runs lie elsewhere.
        NeedsHuman: it was deleted in MLflow.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        place = None if connection.file is None else connection.artifacts.as_uri()
        try:
            client.create_experiment(
                name,
                artifact_location=place,
                tags={"mlflow.experimentKind": kind},
            )
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return
    elsewhere = found.artifact_location != connection.artifacts.as_uri()
    if elsewhere and connection.file is not None and not connection.owns_database:
        raise ConfigError(
            f"{connection.uri}: the experiment {name!r} is another root's: its files lie in "
            f"{found.artifact_location}.",
            "Set `registry.experiment` in params.yaml to a name that no other root uses.",
        )
    if found.lifecycle_stage != "active":
        raise NeedsHuman(
            f"{connection.uri}: experiment {name!r} was deleted in MLflow.",
            "`ratchet reconcile` restores it; or set another one in `registry.experiment`.",
        )


def moved_from(connection: Connection, name: str) -> str | None:
    """Return the address of the files of the root that this one was moved or copied from.

    None where MLflow's addresses lead to this root, or its database is not the root's own. MLflow
    is not loaded. A database that is lost, damaged or busy is left to whoever uses it.
    """
    if connection.file is None or not connection.owns_database:
        return None
    found = mlflow_rows.artifacts_of(connection.file, name)
    return None if found == connection.artifacts.as_uri() else found


def ensure_table(client: MlflowClient, name: str) -> None:
    """Set up MLflow's table of an experiment's runs; what people made of it stays."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return
    for key, value in mlflow_pages.experiment_tags(found.experiment_id).items():
        if key not in found.tags:
            client.set_experiment_tag(found.experiment_id, key, value)


def experiment_id(connection: Connection, client: MlflowClient, name: str) -> str:
    """Return the id of an experiment that is to be there."""
    found = client.get_experiment_by_name(name)
    if found is None:
        raise connection.gone(f"experiment {name!r}")
    return str(found.experiment_id)


def experiment_for(connection: Connection, client: MlflowClient, name: str) -> int:
    """Return the id of an experiment; a lost one is recreated."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return int(found.experiment_id)
    return int(client.create_experiment(name, artifact_location=connection.artifacts.as_uri()))


ABOUT = """Kept current by Ratchet: each version learned from one batch, and goes in only if it is
shown to keep what the version before it could do.

- `champion` is the version in force, `candidate` one that waits for a person.
- A version's first lines say what became of it and why, and lead to its report.
- The gate decides, and people where it can't tell; Ratchet's ledger records it. An alias that
  is moved here by hand is put back.

```python
model = mlflow.pyfunc.load_model("models:/{name}@champion")
model.predict(["a text"])                                   # labels
model.predict(["a text"], params={{"probabilities": True}})   # and how probable each one is
```
"""
"""What MLflow's page of the registered model says."""


def has_model(client: MlflowClient, name: str) -> bool:
    """Tell whether MLflow shows the registered model."""
    return bool(client.search_registered_models(f"name = '{name}'", max_results=1))


def ensure_model(client: MlflowClient, name: str) -> bool:
    """Make the registered model where there is none; tell whether it was made.

    One without a description gets one; what people wrote there stays.
    """
    from mlflow.exceptions import MlflowException

    about = ABOUT.format(name=name)
    if found := client.search_registered_models(f"name = '{name}'", max_results=1):
        if not found[0].description:
            client.update_registered_model(name, about)
        return False
    try:
        client.create_registered_model(name, description=about)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True
