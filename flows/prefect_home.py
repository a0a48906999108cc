"""Prefect's home inside a root: how much of it is kept.

Concept: the ledger is the audit log; Prefect's database only shows recent runs. Its newest flow
runs stay, older ones go with their task runs, so that the file stops growing. A home or a server
that the user configured is never pruned.
"""

from __future__ import annotations

from pathlib import Path

from flows.server_process import named_url

START = "DO_NOT_TRACK=true PREFECT_SERVER_ANALYTICS_ENABLED=false prefect server start"
"""How people start a server that shows the runs of a home, without telemetry (law 10)."""

KEPT_RUNS = 200
MOST_AT_ONCE = 200


def is_own(home: Path) -> bool:
    """Return whether a home is the one that Ratchet made in a root."""
    return home.name == "prefect" and home.parent.name == "mlruns"


def prune(keep: int = KEPT_RUNS) -> int:
    """Delete all but the newest flow runs of a root's own Prefect; return how many went."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import PREFECT_HOME

    if named_url() is not None or not is_own(PREFECT_HOME.value()):
        return 0
    with get_client(sync_client=True) as client:
        old = client.read_flow_runs(
            sort=FlowRunSort.START_TIME_DESC, offset=keep, limit=MOST_AT_ONCE
        )
        for run in old:
            try:
                client.delete_flow_run(run.id)
            except ObjectNotFound:
                continue  # another process was faster
    return len(old)
