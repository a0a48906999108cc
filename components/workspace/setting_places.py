"""Whether the places that the settings name are free: no file of ours, and no other's.

Promise: this is asked before anything is written.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from components.errors import ConfigError
from components.places import place, require_length
from components.settings import Settings

_DATA = "arriving batches damaged holdout incoming pool quarantine unknown unreadable".split()
FILLED = (*(f"data/{name}" for name in _DATA), "mlruns", ".dvc")
"""The folders of a root that the pipeline, or who sends batches, fills."""

OWN_IN_MLRUNS = re.compile(
    r"(ratchet|scores|mlflow)\.db(-journal|-wal|-shm|\.lock)?|mlflow\.db\.damaged-.*|ledger\.head"
    r"|accounts\.db(-journal|-wal|-shm|\.lock)?|accounts\.ini|secrets\.json"
    r"|service\.json|logs|notices\.log"
    r"|(registry|arrivals|service)\.lock|registry\.staging|.*\.part|\.git(ignore|keep)|README\.md"
    r"|activations|arriving|artifacts|aside|bundles|documents|prefect|reports|timings"
)
"""The names that Ratchet itself uses in `mlruns`."""


def require_places(root: Path, settings: Settings) -> None:
    """Refuse a remote or a registry where something else lies.

    Raises:
        ConfigError: names the setting and the place.
    """
    _require_remote(root, settings)
    _require_registry(root, settings)


def _require_remote(root: Path, settings: Settings) -> None:
    """Refuse what DVC can't store or reach, and a folder that holds other files of a root.

    Its files would be taken for batches, or moved and removed as ours.
    """
    from components.data.dvc_settings import quoted

    given, base = settings.data.remote, settings.model.base
    said, named = f"{root / 'params.yaml'}: `data.remote` is {given!r}", place(root, given)
    try:
        require_length(named)
        real = os.path.realpath(named)  # links in a circle are no error here
        quoted(named if isinstance(named, str) else real.removeprefix(str(root)))
    except ValueError as error:
        raise ConfigError(f"{said}: {error}.", "Choose another folder or address.") from None
    if isinstance(named, str):
        from components.data.remotes import require_reachable

        return require_reachable(named)
    remote = Path(real)
    if root.is_relative_to(remote):
        raise ConfigError(
            f"{said}: the root itself lies in that folder.",
            "Use a folder with nothing else in it, for example data/remote.",
        )
    for name in (*FILLED, *([base] if os.path.isdir(root / base) else [])):
        own = Path(os.path.realpath(root / name))
        holds = name in FILLED and remote.is_relative_to(root) and own.is_relative_to(remote)
        if holds or remote.is_relative_to(own):
            raise ConfigError(
                f"{said}: it overlaps with {name}, which has other files.",
                "Use a folder with nothing else in it, for example data/remote.",
            )


def _require_registry(root: Path, settings: Settings) -> None:
    """Refuse a database file among Ratchet's own: MLflow would write into one of them."""
    given = settings.registry.tracking_uri
    if not given:
        return
    from components.registry.database import sqlite_path  # with all of that room: 50 ms

    file = sqlite_path(given, root)
    if file is None:
        return
    mlruns = Path(os.path.realpath(root / "mlruns"))
    name = file.relative_to(mlruns).parts[0] if mlruns in file.parents else ""
    taken = file != mlruns / "mlflow.db" and OWN_IN_MLRUNS.fullmatch(name) is not None
    taken |= mlruns.is_relative_to(file)
    for other in (*FILLED, "data", "params.yaml", settings.model.base):
        own = Path(os.path.realpath(root / other))
        taken |= other != "mlruns" and file.is_relative_to(own)
    if taken or (os.path.lexists(file) and not os.path.isfile(file)):
        raise ConfigError(
            f"{root / 'params.yaml'}: `registry.tracking_uri` is {given!r}: "
            + (f"Ratchet keeps other data in {file}." if taken else f"{file} is not a file."),
            "Leave it empty for mlruns/mlflow.db, or name a file that nothing else uses.",
        )
