"""Create a root: its settings, folders and databases.

Promise: existing files are kept, so creating a root twice changes nothing. New files are private
to the user (folders 0700, files 0600) unless the root is shared; the folders also protect files
created later.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from components.clock import Clock, system_clock
from components.errors import ConfigError, RatchetError
from components.workspace.root import Workspace, open_workspace

TEMPLATE = Path(__file__).with_name("params.yaml")
FOLDERS = (
    *(f"data/{name}" for name in ("incoming", "pool", "batches", "quarantine", "holdout")),
    "mlruns",
)


PRIVATE = 0o077


def found_root(root: Path, clock: Clock = system_clock, shared: bool = False) -> list[str]:
    """Make what a root lacks and return the names of what was made.

    With `shared` the rights of what is made are those that the umask leaves.

    Raises:
        ConfigError: the root cannot be written, or its params.yaml is wrong.
        Retryable: the registry's server does not answer. Nothing is made then, nor with a wrong
            params.yaml.
    """
    with nullcontext() if shared else _private():
        return _found(root, clock)


def _found(root: Path, clock: Clock) -> list[str]:
    try:
        made = [f"{name}/" for name in FOLDERS if not (root / name).is_dir()]
        if "mlruns/" in made and (root / "params.yaml").exists():
            _try_registry(open_workspace(root, clock))
        for name in made:
            (root / name).mkdir(parents=True, exist_ok=True)
        if not (root / "params.yaml").exists():
            shutil.copyfile(TEMPLATE, root / "params.yaml")
            made.append("params.yaml")
    except OSError as error:
        raise ConfigError(
            f"{error.filename} cannot be created: {error.strerror}.", "Choose another folder."
        ) from None
    ws = open_workspace(root, clock)
    if not (root / ".dvc").exists():
        made.append(".dvc/")
    if not (ws.mlruns / "ratchet.db").exists():
        made.append("mlruns/ratchet.db")
    _ = ws.store, ws.ledger, ws.registry
    return made


def _try_registry(ws: Workspace) -> None:
    """Make the registry, which may be elsewhere, first: where it fails, nothing is left of it."""
    registry = ws.unprepared_registry()
    try:
        registry.prepare()
    except (RatchetError, OSError):
        (ws.mlruns / "registry.lock").unlink(missing_ok=True)
        with suppress(OSError):  # another process has files in it by now
            ws.mlruns.rmdir()
        raise


@contextmanager
def _private() -> Iterator[None]:
    """Let what is made in this block be for its owner alone."""
    before = os.umask(PRIVATE)
    try:
        yield
    finally:
        os.umask(before)
