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
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
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


class Source(SourceFileLoader):
    """Runs a module from bytes that were read before; bytecode is neither read nor written."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self.source = source

    def get_data(self, path: str) -> bytes:
        """Return the source, whatever the file holds by now."""
        return self.source

    def path_stats(self, path: str) -> Any:
        """Have no date to compare bytecode with, so there is none."""
        raise OSError


class Finder:
    """Finds the modules of one package, which are given as loaders by name."""

    def __init__(self, loaders: dict[str, Source]) -> None:
        self.loaders = loaders

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return where a module of this package comes from, None for any other."""
        if loader := self.loaders.get(name):
            return spec_from_file_location(name, loader.path, loader=loader)
        return None


def checked_package(listed: dict[str, str]) -> str:
    """Import the whole package in `code/`, if its files are those listed, and return its name.

    At once and from the bytes that were checked, because a file may be changed later.
    """
    try:
        files = (path for path in CODE.rglob("*") if path.is_symlink() or not path.is_dir())
        held = {
            p.relative_to(CODE).as_posix(): p.read_bytes() if p.is_file() else b"" for p in files
        }
        found = {name: sha256(source).hexdigest() for name, source in held.items()}
        if wrong := sorted(n for n in {*listed, *found} if listed.get(n) != found.get(n)):
            why = f"is not the one that was registered: {', '.join(wrong)} changed. Restore the"
            raise RuntimeError(f"The code at {CODE} {why} artifacts, or load another version.")
    finally:
        sys.path[:] = [place for place in sys.path if Path(place) != CODE]  # MLflow put it there
    names = {n: n.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for n in listed}
    finder = Finder({names[n]: Source(names[n], str(CODE / n), held[n]) for n in listed})
    sys.meta_path.insert(0, finder)
    try:
        for name in names.values():
            import_module(name)
    finally:
        sys.meta_path.remove(finder)
    return next(iter(listed)).partition("/")[0]


if __spec__ and __spec__.cached:  # a copy that would run in place of this file from now on
    with suppress(OSError):
        Path(__spec__.cached).unlink(missing_ok=True)
        Path(__spec__.cached).parent.rmdir()
mlflow.models.set_model(RatchetModel())
