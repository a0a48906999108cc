"""The model as MLflow serves it: texts in, labels out. This file travels with each version.

Concept: beside this file lie the bundle and, in `code/`, a copy of what answered when the gate
examined it (Ratchet's `components/model`). The base, which all versions share, is taken from
the first of these that has it: the environment variable RATCHET_BASE, `base_folder` and `base`
of `load_model(..., model_config={...})` or of this version, Hugging Face's cache, its hub.

Promise: nothing but the files that were registered answers, none of them a pickle, and it
needs `requirements.txt` beside it and nothing of Ratchet's.

Use:
    model = mlflow.pyfunc.load_model("models:/ratchet@champion")
    model.predict(["where is my parcel?"])                      # ["delivery"]
    model.predict(["..."], params={"probabilities": True})      # [{"label": ..., ...}]
"""

import os
import sys
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from pathlib import Path
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

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        """Answer each text, in order; `params`: `probabilities: True` asks for them as well."""
        return self.served.predict(model_input, bool((params or {}).get("probabilities")))


def checked_package(listed: dict[str, str]) -> str:
    """Import the whole package in `code/`, if its files are those listed, and return its name.

    At once, because a module read later may have been changed; without bytecode, because that
    would run in place of what is listed.
    """
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        files = (path for path in CODE.rglob("*") if path.is_symlink() or not path.is_dir())
        held = {path: path.read_bytes() if path.is_file() else b"" for path in files}
        found = {p.relative_to(CODE).as_posix(): sha256(held[p]).hexdigest() for p in held}
        if wrong := sorted(n for n in {*listed, *found} if listed.get(n) != found.get(n)):
            why = f"is not the one that was registered: {', '.join(wrong)} changed. Restore the"
            raise RuntimeError(f"The code at {CODE} {why} artifacts, or load another version.")
        for name in listed:
            import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        return name.partition("/")[0]
    finally:
        sys.dont_write_bytecode = before
        sys.path[:] = [place for place in sys.path if Path(place) != CODE]  # MLflow put it there


if __spec__ and __spec__.cached:  # a copy that would run in place of this file from now on
    with suppress(OSError):
        Path(__spec__.cached).unlink(missing_ok=True)
        Path(__spec__.cached).parent.rmdir()
mlflow.models.set_model(RatchetModel())
