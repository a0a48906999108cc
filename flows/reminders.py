"""Tell people what happened, and what waits for them."""

from __future__ import annotations

from prefect import flow

from components.operations import notices
from flows.notify import notify
from flows.steps import workspace


@flow(name="remind", validate_parameters=False)
def remind(root: str) -> list[str]:
    """Tell what the last day brought and what waits for a person; return that, a line each."""
    ws = workspace(root)
    lines = notices.waiting(ws)
    notify(ws, [notices.digest(ws), *(notices.Notice("reminder", line) for line in lines)])
    return lines
