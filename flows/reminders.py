"""Tell people what waits for them."""

from __future__ import annotations

from prefect import flow

from components.operations import notices
from flows.notify import notify
from flows.steps import workspace


@flow(name="remind", validate_parameters=False)
def remind(root: str) -> list[str]:
    """Tell of everything that waits for a person, and return it, a line each."""
    ws = workspace(root)
    lines = notices.waiting(ws)
    notify(ws, [notices.Notice("reminder", line) for line in lines])
    return lines
