"""After a crash: finish or undo what was begun."""

from __future__ import annotations

from functools import partial

from prefect import flow

from components.operations import reconciliation
from flows.steps import as_task, leased, workspace


@flow(name="reconcile", validate_parameters=False)
def reconcile(root: str) -> list[str]:
    """Make the root whole again and return what had to be done."""
    ws = workspace(root)
    with leased(ws) as lease:
        return as_task("reconcile", partial(reconciliation.reconcile, ws, lease, whole=True))
