"""Take what arrived, and drain the inbox in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow

from components.ledger import views
from components.operations.between_batches import Between
from components.pipeline import pages
from components.pipeline.polling import take_all
from components.pipeline.precedence import next_batch
from components.workspace.root import Workspace
from flows.retrain import retrain
from flows.steps import changing, workspace

Run = Callable[[str, str], dict[str, Any]]


@flow(name="intake", validate_parameters=False)
def intake(root: str) -> list[dict[str, Any]]:
    """Fill the inbox from `data/incoming`, then run every waiting batch, oldest first.

    Before that, files in `data/pool` are taken, and batches whose labels arrived are queued again.
    """
    ws = workspace(root)
    Between().do(ws, changing, once=True)
    take_all(ws)
    return drain(ws)


def drain(ws: Workspace, until: str | None = None, run: Run = retrain) -> list[dict[str, Any]]:
    """Run waiting batches, oldest first, to the end or until `until` is settled.

    A batch that is held or refused leaves the queue, so it blocks nobody behind it, save one that
    others passed twice while it waited for labels (`pipeline.precedence`).
    """
    settled = []
    while (batch := next_batch(ws)) is not None:
        wanted = views.pooled_into(ws.ledger, until) if until else None
        if wanted is not None and wanted not in {each.batch for each in views.waiting(ws.ledger)}:
            break
        settled.append(run(str(ws.root), batch))
    if any(each["action"] == "refused" for each in settled):  # others have written it already
        pages.write_index(ws)
    return settled
