"""Remove what may not be kept any longer."""

from __future__ import annotations

from prefect import flow

from components.operations import pool_removal
from flows.steps import changing, workspace


@flow(name="retain", validate_parameters=False)
def retain(root: str) -> list[str]:
    """Remove the inputs of pools that came longer ago than `service.retain_days`; say which."""
    ws = workspace(root)
    if ws.settings.service.retain_days is None:
        return []
    with changing(ws) as lease:
        removed = pool_removal.expire(ws, lease, ws.settings.service.retain_days)
    return [f"{each.inputs} inputs of the pool of {each.task}" for each in removed]
