"""The deployments of an installation: what Prefect starts by schedule, event, API call or click.

    python -m flows.deployments ROOT ...

Concept: per root one `arrive`, which fills the inbox, and one run of `scheduled` for each job that
the settings give a time. Whatever rings, batches are trained by the root's worker, in order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from components.workspace.root import Workspace, open_workspace
from flows.arrive import arrive
from flows.scheduled import JOBS, missed, scheduled

ARRIVED = "ratchet.arrived"
"""An event of this name with a `source`, and perhaps a `task`, in its payload is an arrival."""

AT_ONCE = 4
"""So many runs of all deployments together."""


def deployments(ws: Workspace) -> Iterator[Any]:
    """Yield the deployments of one root, as `prefect.serve` takes them."""
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    name, service = ws.settings.model.name, ws.settings.service
    module: dict[str, Any] = {
        "entrypoint_type": EntrypointType.MODULE_PATH,
        "tags": ["ratchet", name],
    }
    root = str(ws.root)
    yield arrive.to_deployment(
        name,
        parameters={"root": root},
        triggers=[_on_arrival(name)],
        description="Put a file or an object into the inbox: `source`, and perhaps `task`.",
        **module,
    )
    for job in JOBS:
        cron = getattr(service, f"{job}_at")
        yield scheduled.to_deployment(
            f"{name}-{job}",
            parameters={"root": root, "job": job},
            schedules=[Cron(cron, timezone=service.time_zone, slug=job)] if cron else [],
            concurrency_limit=1,
            description=f"{job}: {cron or 'by hand only'} ({service.time_zone})",
            **module,
        )


def catch_up(roots: Sequence[Workspace]) -> list[str]:
    """Start a run of each schedule whose time passed while nobody was there; return their names."""
    from prefect.deployments import run_deployment

    started = []
    for ws in roots:
        for job in JOBS:
            cron = getattr(ws.settings.service, f"{job}_at")
            due = missed(ws, job, cron) if cron else None
            if due is not None:
                name = f"scheduled/{ws.settings.model.name}-{job}"
                key = f"missed:{job}:{due.isoformat()}"
                run_deployment(name, timeout=0, as_subflow=False, idempotency_key=key)
                started.append(f"{name}: missed at {due.isoformat()}")
    return started


def _on_arrival(name: str) -> Any:
    """Return the trigger: an event about this model, or about any."""
    from prefect.events import DeploymentEventTrigger

    return DeploymentEventTrigger(
        name=f"{name}: {ARRIVED}",
        expect={ARRIVED},
        match={"prefect.resource.id": [f"ratchet.model.{name}"]},
        parameters={
            "source": "{{ event.payload.source }}",
            "task": "{{ event.payload.task | default('') }}",
        },
    )


def main() -> None:
    """Serve the deployments of these roots until a signal comes."""
    from prefect.runner import Runner

    roots = [open_workspace(Path(each)) for each in sys.argv[1:]]
    runner = Runner(pause_on_shutdown=False, limit=AT_ONCE)
    for ws in roots:
        for deployment in deployments(ws):
            runner.add_deployment(deployment)
    for line in catch_up(roots):
        sys.stdout.write(f"{line}\n")
    import asyncio

    asyncio.run(runner.start())


if __name__ == "__main__":
    main()
