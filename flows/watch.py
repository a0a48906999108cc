"""Examine the champion again; roll back automatically if an earlier task regressed."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

from prefect import flow

from components.operations import probation, reconciliation, rollback
from components.operations.rollback import RolledBack, Watched
from components.workspace.root import Workspace
from flows.intake import drain
from flows.steps import Step, as_task, changing, directly, leased, workspace


@flow(name="watch", validate_parameters=False)
def watch(root: str, drained: bool = True) -> dict[str, Any]:
    """Examine the champion on today's holdouts, roll back if need be, run what that requeued.

    Before that, a probation ends whose time is over. With `drained` False what was queued again
    stays in the queue.
    """
    ws = workspace(root)
    ended = probation.check_if_due(ws, changing)
    watched, undone = look_and_go_back(ws, as_task)
    settled = drain(ws) if (undone or ended) and drained else []
    return {
        "champion": watched.champion,
        "exams": watched.exams,
        "regressions": [asdict(each) for each in watched.regressions],
        "rollback": undone.to_json() if undone else None,
        "settled": settled,
        "probation": asdict(ended) if ended else None,
    }


def look_and_go_back(ws: Workspace, step: Step = directly) -> tuple[Watched, RolledBack | None]:
    """One look under the model's lease, and the rollback that it asks for."""
    with leased(ws) as lease:
        step("reconcile", partial(reconciliation.reconcile, ws, lease))
        watched = step("look", partial(rollback.look, ws, lease))
        if not watched.regressions:
            return watched, None
        undone = step("roll back", partial(rollback.roll_back_regression, ws, lease, watched))
        return watched, undone
