"""Create a root: its settings, folders and databases.

Promise: existing files are kept, so creating a root twice changes nothing. New files are private
to the user (folders 0700, files 0600) unless the root is shared; the folders also protect files
created later.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from components.clock import Clock, system_clock
from components.errors import ConfigError
from components.workspace.root import open_workspace

TEMPLATE = Path(__file__).with_name("params.yaml")
FOLDERS = ("data/incoming", "data/batches", "data/quarantine", "data/holdout", "mlruns")


PRIVATE = 0o077


def found_root(root: Path, clock: Clock = system_clock, shared: bool = False) -> list[str]:
    """Make what a root lacks and return the names of what was made.

    With `shared` the rights of what is made are those that the umask leaves.

    Raises:
        ConfigError: the root cannot be written, or its params.yaml is wrong.
    """
    with nullcontext() if shared else _private():
        return _found(root, clock)


def _found(root: Path, clock: Clock) -> list[str]:
    made = []
    try:
        for name in FOLDERS:
            if not (root / name).is_dir():
                (root / name).mkdir(parents=True)
                made.append(f"{name}/")
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


@contextmanager
def _private() -> Iterator[None]:
    """Let what is made in this block be for its owner alone."""
    before = os.umask(PRIVATE)
    try:
        yield
    finally:
        os.umask(before)
