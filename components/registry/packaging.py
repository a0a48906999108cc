"""One bundle as an MLflow model folder that a stranger can load.

Concept: MLflow's models-from-code: the folder carries `served_model.py`, the bundle, a copy
of `components/model`, the names of base and libraries, and no pickle (law 9). The copy is a
package called by its content, so versions with different code live in one process.

Promise: `mlflow.pyfunc.load_model` needs MLflow, the listed requirements and the base
model, and nothing of Ratchet's.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.digest import file_digest, json_digest
from components.model.libraries import LIBRARIES
from components.registry.database import quiet

if TYPE_CHECKING:
    from components.registry.submission import Submission

SERVED_MODEL = Path(__file__).with_name("served_model.py")
COMPONENTS = Path(__file__).parents[1]
MODEL, CODE = "model", "code"
"""Folder of the model among a run's files, and MLflow's folder for code in there."""

EXAMPLE = ["A text to classify."]
"""What MLflow shows as the way to ask. Nobody's data: a version's files outlive its rows."""

_GROUND = ("digest.py", "errors.py", "files.py")
_ABOUT = '"""What answers for this version: Ratchet\'s components/model as it was registered."""\n'
_LIBRARIES = tuple(sorted({"mlflow", "numpy", "pandas", *LIBRARIES}))


def write_model(target: Path, submission: Submission) -> None:
    """Write the model folder `target`: it must not exist. No MLflow store is touched."""
    quiet()
    from mlflow import pyfunc

    folder = submission.base_folder
    with warnings.catch_warnings(), travelling_code(COMPONENTS) as package:
        warnings.simplefilter("ignore")  # MLflow misses an input example, which would load it
        pyfunc.save_model(
            path=str(target),
            python_model=str(SERVED_MODEL),
            code_paths=[str(package)],
            artifacts={"bundle": str(submission.bundle)},
            model_config={
                "bundle": submission.bundle_digest,
                "base": submission.base_name,
                "base_digest": submission.base_digest,
                "base_folder": "" if folder is None else str(folder),
                "code": {f"{package.name}/{n}": each for n, each in digests(package).items()},
            },
            signature=_signature(),
            input_example=EXAMPLE,
            pip_requirements=requirements(),
            metadata={"ratchet.bundle": submission.bundle_digest},
        )


@contextmanager
def travelling_code(components: Path) -> Iterator[Path]:
    """Give the folder of a package that holds `components/model` and the ground that it needs.

    Law: the same sources give a package of the same name, and others one of another name.
    """
    with TemporaryDirectory() as place:
        package = Path(place) / "package"
        package.mkdir()
        (package / "__init__.py").write_text(_ABOUT, encoding="utf-8")
        for file in [*map(components.joinpath, _GROUND), *components.glob("model/**/*.py")]:
            copy = package / file.relative_to(components)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        yield package.rename(
            package.with_name(f"ratchet_model_{json_digest(digests(package))[:12]}")
        )


def digests(folder: Path) -> dict[str, str]:
    """Return {name: SHA-256} of every file below a folder, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def model_texts(folder: Path) -> dict[str, str]:
    """Return the texts that lie beside the bundle in a model folder: its lists and its code."""
    files = [*folder.iterdir(), *(folder / CODE).rglob("*")]
    texts = {path.relative_to(folder).as_posix(): path for path in sorted(files) if path.is_file()}
    return {name: path.read_bytes().decode("utf-8") for name, path in texts.items()}


def requirements(names: Sequence[str] = _LIBRARIES) -> list[str]:
    """Return the libraries that serving needs, pinned as installed, without local suffixes."""
    pinned = []
    for name in names:
        try:
            pinned.append(f"{name}=={version(name).partition('+')[0]}")
        except PackageNotFoundError:
            pinned.append(name)
    return pinned


def _signature() -> object:
    """Return what goes in, what comes out, and the params.

    MLflow refuses a list where a column has to have a name, and takes a table's first column,
    whatever it is called, where none has. So both of its names for the texts are here: `text`, and
    0, as it calls the only column of a list. `texts_of` refuses what has neither.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    names: list[Any] = [0, "text"]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, name, required=False) for name in names]),
        outputs=Schema([ColSpec(DataType.string)]),
        params=ParamSchema(
            [
                ParamSpec("probabilities", DataType.boolean, False),
                ParamSpec("threshold", DataType.double, 0.0),
            ]
        ),
    )
