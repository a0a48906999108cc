"""A file or an object comes in by name: from Prefect's page, its API, or an event."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import flow

from components.data.addresses import fetch
from components.pipeline import arrival
from components.places import scheme
from flows.steps import workspace


@flow(name="arrive", validate_parameters=False)
def arrive(root: str, source: str, task: str = "") -> str:
    """Put what lies at `source`, a path or an address, into the inbox; return its batch.

    `task`: of rows that name none; "": as for a file in data/incoming. Training is the worker's.
    """
    ws = workspace(root)
    if scheme(source) is None:
        return arrival.arrive(ws, Path(source), task or None).batch
    with TemporaryDirectory(prefix="ratchet-") as folder:
        path = fetch(source, Path(folder), ws.settings.data.max_file_megabytes * 1_000_000)
        return arrival.arrive(ws, path, task or None, name=path.name).batch
