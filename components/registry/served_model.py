"""The model as MLflow serves it: texts in, labels out. This file travels with each version.

Concept: beside this file lie the bundle and, in `code/`, a copy of what answered when the gate
examined it (Ratchet's `components/model`). The base, which all versions share, is taken from
the first of these that has it: the environment variable RATCHET_BASE, `base_folder` and `base`
of `load_model(..., model_config={...})` or of this version, Hugging Face's cache, its hub.

Promise: only registered files answer, none of them a pickle; `requirements.txt` is all it needs.

Use:
    model = mlflow.pyfunc.load_model("models:/ratchet@champion")
    model.predict(["where is my parcel?"])                      # ["delivery"]
    model.predict(["..."], params={"probabilities": True})      # [{"label": ..., ...}]
    model.predict(["..."], params={"threshold": 0.8})           # [None]: it doesn't know
"""

import os
import sys
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel

CODE = Path(__file__).with_name("code")


class RatchetModel(PythonModel):
    """What the bundle holds, as `serving.Served` answers."""

    def load_context(self, context: Any) -> None:
        """Check and load code, bundle and base; RuntimeError where they are not those listed."""
        config = context.model_config
        serving = import_module(f"{checked_package(config['code'])}.model.serving")
        places = (os.environ.get("RATCHET_BASE"), config["base_folder"], config["base"])
        folder = Path(context.artifacts["bundle"]).with_name(config["bundle"])
        try:
            self.served = serving.open_served(folder, [*filter(None, places)])
        except serving.RatchetError as error:
            raise RuntimeError(str(error)) from None

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        """Answer each text, in order.

        `params`: `probabilities: True` asks for them as well; a label less probable than
        `threshold` is withheld: None, "don't know", stands for it.
        """
        asked = {"probabilities": False, "threshold": 0.0} | (params or {})
        return self.served.predict(model_input, asked["probabilities"], asked["threshold"])


def checked_package(listed: dict[str, str]) -> str:
    """Import the whole package in `code/`, if its files are those listed, and return its name.

    At once and from a copy of the bytes that were checked: the files may be changed later.
    """
    files = (path for path in CODE.rglob("*") if path.is_symlink() or not path.is_dir())
    held = {p.relative_to(CODE).as_posix(): p.read_bytes() if p.is_file() else b"" for p in files}
    found = {name: sha256(source).hexdigest() for name, source in held.items()}
    with TemporaryDirectory() as copy:
        try:
            if wrong := sorted(n for n in {*listed, *found} if listed.get(n) != found.get(n)):
                why = f"is not the one that was registered: {', '.join(wrong)} changed. Restore the"
                raise RuntimeError(f"The code at {CODE} {why} artifacts, or load another version.")
            for name, source in held.items():
                Path(copy, name).parent.mkdir(parents=True, exist_ok=True)
                Path(copy, name).write_bytes(source)
            sys.path.insert(0, copy)
            for name in held:
                import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
            return name.partition("/")[0]
        finally:  # MLflow put CODE there
            sys.path[:] = [p for p in sys.path if Path(p) not in (CODE, Path(copy))]


if __spec__ and __spec__.cached:  # a copy that would run in place of this file from now on
    with suppress(OSError):
        Path(__spec__.cached).unlink(missing_ok=True)
        Path(__spec__.cached).parent.rmdir()
mlflow.models.set_model(RatchetModel())
