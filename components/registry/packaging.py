"""One bundle as an MLflow model folder that a stranger can load.

Concept: MLflow's models-from-code: the folder carries `served_model.py`, the bundle, the
names of base and libraries, and no pickle (law 9).

Promise: `mlflow.pyfunc.load_model` needs MLflow, the listed requirements and the base
model, and nothing of Ratchet's.
"""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from components.registry.database import quiet

if TYPE_CHECKING:
    from components.registry.submission import Submission

SERVED_MODEL = Path(__file__).with_name("served_model.py")
MODEL = "model"
"""Folder of the model among a run's files."""

_LIBRARIES = ("mlflow", "numpy", "pandas", "peft", "safetensors", "torch", "transformers")


def write_model(target: Path, submission: Submission) -> None:
    """Write the model folder `target`: it must not exist. No MLflow store is touched."""
    quiet()
    from mlflow import pyfunc

    folder = submission.base_folder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow misses an input example, which would load it
        pyfunc.save_model(
            path=str(target),
            python_model=str(SERVED_MODEL),
            artifacts={"bundle": str(submission.bundle)},
            model_config={
                "bundle": submission.bundle_digest,
                "base": submission.base_name,
                "base_digest": submission.base_digest,
                "base_folder": "" if folder is None else str(folder),
            },
            signature=_signature(),
            pip_requirements=requirements(),
            metadata={"ratchet.bundle": submission.bundle_digest},
        )


def model_texts(folder: Path) -> dict[str, str]:
    """Return the texts that lie beside the bundle in a model folder: its code and its lists."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return {file.name: file.read_bytes().decode("utf-8") for file in files}


def requirements() -> list[str]:
    """Return the libraries that serving needs, pinned as installed, without local suffixes."""
    pinned = []
    for name in _LIBRARIES:
        try:
            pinned.append(f"{name}=={version(name).partition('+')[0]}")
        except PackageNotFoundError:
            pinned.append(name)
    return pinned


def _signature() -> object:
    """Return what comes out and the params; the input has no schema, on purpose.

    A named column would refuse lists. An unnamed one takes a frame's first column,
    whatever its name, so a frame of label and text would be answered by its labels.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    return ModelSignature(
        outputs=Schema([ColSpec(DataType.string)]),
        params=ParamSchema([ParamSpec("probabilities", DataType.boolean, False)]),
    )
