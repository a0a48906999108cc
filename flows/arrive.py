"""A file or an object comes in by name: from Prefect's page, its API, or an event."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import flow

from components.errors import ConfigError
from components.pipeline import arrival
from components.workspace.root import Workspace
from flows.steps import workspace


@flow(name="arrive", validate_parameters=False)
def arrive(root: str, source: str, task: str = "") -> str:
    """Put what lies at `source`, a path or an address, into the inbox; return its batch.

    `task`: of rows that name none; "": as for a file in data/incoming. Training is the worker's.
    """
    ws = workspace(root)
    if "://" not in source:
        return arrival.arrive(ws, Path(source), task or None).batch
    with TemporaryDirectory(prefix="ratchet-") as folder:
        path = _fetched(ws, source, Path(folder))
        return arrival.arrive(ws, path, task or None, name=path.name).batch


def _fetched(ws: Workspace, source: str, folder: Path) -> Path:
    """Copy an object to a folder."""
    import fsspec

    path = folder / source.rstrip("/").rpartition("/")[2]
    limit = ws.settings.data.max_file_megabytes * 1_000_000
    try:
        with fsspec.open(source, "rb") as stream, path.open("wb") as file:
            left = limit + 1
            while left > 0 and (chunk := stream.read(min(left, 1 << 20))):
                file.write(chunk)
                left -= len(chunk)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"{source} can't be read: {error}.",
            "Check the address and the credentials; its protocol may need a package (s3fs, gcsfs).",
        ) from error
    return path
