"""What Prefect's pages show of a batch's run: name, tags, state, log and artifact.

Concept: the page of all runs is read first, so a run is named by its file and by what became of it,
`tweets-poisoned · rejected`, and ends in a state of that name. All of it is a display: the ledger
has the record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.states import Completed

from components.evaluation.cause import called
from components.ledger import views
from components.pipeline.held import decision_on
from components.pipeline.preparation import Settled
from components.pipeline.reporting import report_path
from components.report.verdicts import named, worth_showing
from components.workspace.root import Workspace

COLUMNS = ("check", "exam", "verdict", "lost, points", "at most", "margin", "items")


def say(line: str) -> None:
    """Write a line to the log of the run that this is in; outside of one, nowhere."""
    if FlowRunContext.get() is not None:
        get_run_logger().info(line)


def begin(ws: Workspace, batch: str) -> None:
    """Name the run by its file; tag it by root and model."""
    arrival = views.arrival(ws.ledger, batch)
    if arrival is not None:
        _name(ws, arrival.source)
        say(f"{arrival.source}: batch {batch}, task {arrival.task}")


def end(ws: Workspace, settled: Settled, value: dict[str, Any]) -> Any:
    """Show what became of the batch; return the state that the run ends in, with its value.

    Outside of a run, where the flow is called as a plain function, that is the value alone.
    """
    if FlowRunContext.get() is None:
        return value
    _name(ws, settled.source, settled.action)
    causes = (f"{called(settled.action)}: {each}" for each in settled.causes)
    for line in (f"{settled.action}: {settled.headline}", *causes, *settled.notes):
        say(line)
    create_markdown_artifact(story(ws, settled), key_of(settled), settled.headline[:500])
    promoted = settled.action == "promoted"
    name = None if promoted else settled.action.capitalize()
    return Completed(name=name, message=settled.headline[:500], data=value)


def key_of(settled: Settled) -> str:
    """Return what a batch's artifact is called: its file, in the letters that Prefect allows."""
    file = re.sub(r"[^a-z0-9]+", "-", PurePath(settled.source).stem.lower()).strip("-")
    return f"{file or 'batch'}-{settled.batch[:12]}"


def story(ws: Workspace, settled: Settled) -> str:
    """Return what became of a batch, why, and what to do now, in Markdown."""
    version = views.version(ws.ledger, settled.version) if settled.version else None
    title = f"# {settled.action}: {settled.source}"
    parts = [title + (f", version {settled.version}" if version else ""), settled.headline]
    more = [
        *(f"{called(settled.action)}: {each}" for each in settled.causes),
        *settled.notes,
        *(f"to settle it: {way}" for way in settled.settle),
    ]
    parts.append("\n".join(f"- {line}" for line in more))
    if version is not None:
        page = report_path(ws, settled.batch, version.bundle).relative_to(ws.root)
        parts.append(f"Next: `ratchet version explain {version.version}`, or open `{page}`")
        parts += _checks((decision_on(ws, version) or {}).get("verdicts", ()))
    elif settled.action == "refused":
        parts.append(f"Next: `ratchet quarantine show {settled.batch[:12]}`")
    return "\n\n".join(filter(None, parts))


def _checks(verdicts: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the table of what was checked, and how many checks more just passed."""
    worth, _ = worth_showing(verdicts)
    shown = [each for each in worth if (each["check"], each["outcome"]) != ("drift", "PASS")]
    more = len(verdicts) - len(shown)
    return _table(shown), f"{more} more checks passed." if more else ""


def _table(shown: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            each["check"],
            named(each),
            each["outcome"],
            _points(each["effect_points"]),
            _points(each["upper_points"]),
            _points(each["margin_points"]),
            each["n"] or "",
        )
        for each in shown
    ]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) if rows else ""


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def _name(ws: Workspace, source: str, action: str = "") -> None:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    name = " · ".join(filter(None, (PurePath(source).stem, action)))
    tags = [f"root:{ws.root.name}", f"model:{ws.settings.model.name}"]
    with get_client(sync_client=True) as client:
        client.update_flow_run(context.flow_run.id, name=name, tags=tags)
