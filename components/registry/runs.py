"""What the run of a version shows: numbers, the rows it learned, files.

Promise: one MLflow call for the numbers, one for the rows and one for all files together,
because each call is a place to be killed at.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import ConfigError
from components.registry.packaging import MODEL
from components.registry.submission import dataset_profile, dataset_source, finite, legal_keys

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from components.registry.submission import DataSource, Submission

_PARAMS_A_CALL = 100
_METRICS_A_CALL = 800
"""MLflow takes at most 100 params, and 1,000 metrics, params and tags together."""


def log_numbers(client: MlflowClient, run_id: str, submission: Submission) -> None:
    """Log metrics and params; in one call unless there are very many."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    metric_keys, param_keys = legal_keys(submission.metrics), legal_keys(submission.params)
    metrics = [
        Metric(metric_keys[name], value, now, 0)
        for name, value in finite(submission.metrics).items()
    ]
    params = [Param(param_keys[name], str(value)) for name, value in submission.params.items()]
    while metrics or params:
        client.log_batch(run_id, metrics[:_METRICS_A_CALL], params[:_PARAMS_A_CALL])
        metrics, params = metrics[_METRICS_A_CALL:], params[_PARAMS_A_CALL:]


def log_dataset(client: MlflowClient, run_id: str, source: DataSource | None) -> None:
    """Show which rows the version learned, under the batch's own digest.

    MLflow's own digest would cover the first 10,000 rows alone.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if source is None:
        return
    dataset = Dataset(
        name=source.name[:500],
        digest=source.digest[:36],
        source_type="local",
        source=dataset_source(asdict(source)),
        profile=dataset_profile(asdict(source)),
    )
    tag = InputTag("mlflow.data.context", "training")
    client.log_inputs(run_id, [DatasetInput(dataset, [tag])])


def stage_files(staging: Path, files: Mapping[str, Path]) -> None:
    """Copy `files` into `staging` under their names among a run's files.

    Raises:
        ConfigError: a name leads out of the run, or into the model.
    """
    for name, file in files.items():
        target = (staging / name).resolve()
        if not target.is_relative_to(staging.resolve()) or Path(name).parts[0] == MODEL:
            raise ConfigError(
                f"{name!r} is not a valid name for a run's file.", "Use a plain name."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
