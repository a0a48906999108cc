"""Commands that read the record: `history`, `version` and `audit verify`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from components.cli.arguments import VersionName
from components.cli.explanation import show_explanation
from components.cli.options import Context, json_option, pass_root, quiet_option
from components.cli.output import echo, facts, progress_bar, table


def register(group: click.Group) -> None:
    """Add this module's commands."""
    for command in (history, version, audit):
        group.add_command(command)


@click.command()
@json_option
@pass_root
def history(context: Context, as_json: bool) -> None:
    """Show every change of champion, as recorded in the ledger."""
    from components.ledger import views

    ws = context.open()
    moves = [
        {"time": row.time, "version": row.version, "how": row.how, "reason": row.reason}
        for row in views.pointer_history(ws.ledger)
    ]
    champion = views.champion(ws.ledger)
    value = {"champion": champion.version if champion else None, "moves": moves}

    def show() -> None:
        if not moves:
            echo("Nothing has been promoted yet.")
            return
        rows = [(m["time"][:19], m["version"], m["how"], m["reason"]) for m in moves]
        table(["time (UTC)", "version", "how", "why"], rows)

    facts(as_json, value, show)


@click.group()
def version() -> None:
    """List and explain registered versions."""


@version.command()
@click.argument("name", metavar="VERSION", type=VersionName())
@click.option("--full", is_flag=True, help="Show every check, drift and digest as well.")
@json_option
@pass_root
def explain(context: Context, name: str, full: bool, as_json: bool) -> None:
    """Explain why VERSION was promoted, held or rejected, and what to do now.

    VERSION is a number, `champion` or `candidate`. --json always has everything.
    """
    from components.operations.explanation import explain as find
    from components.operations.same_items import named

    ws = context.open()
    value = find(ws, named(ws, name).version)
    facts(as_json, value, lambda: show_explanation(value, full))


@version.command("list")
@json_option
@pass_root
def list_versions(context: Context, as_json: bool) -> None:
    """List all versions, oldest first."""
    from components.ledger import views

    ws = context.open()
    rows: list[dict[str, Any]] = [
        {"version": v.version, "status": v.status, "parent": v.parent, "batch": v.batch,
         "headline": v.headline}
        for v in views.versions(ws.ledger)
    ]  # fmt: skip

    def show() -> None:
        shown = [
            (r["version"], r["status"], r["parent"], (r["batch"] or "")[:12], r["headline"])
            for r in rows
        ]
        table(["version", "status", "parent", "batch", "why"], shown)

    facts(as_json, rows, show)


@click.group()
def audit() -> None:
    """Verify the audit log and all recorded data."""


@audit.command()
@click.option("--deep", is_flag=True, help="Read every byte and recompute every stored answer.")
@quiet_option
@json_option
@pass_root
def verify(context: Context, deep: bool, as_json: bool) -> None:
    """Verify the audit log: check all recorded data against the ledger.

    Checks the ledger (every event and the tables derived from them), documents, settings,
    batches, exams and their copies, quarantine, bundles, stored answers, the base and MLflow.
    The default takes seconds and lists what it did not check; --deep checks everything.
    Exits with 0 if everything matches, 4 if something was changed, and 3 if only params.yaml
    was changed since the last command.
    """
    from components.operations.verification import UNPROVABLE, verify
    from components.operations.verification.report_text import conclusion, lines

    with progress_bar() as progress:
        report = verify(context.open(progress), deep)
    value = {
        "deep": deep,
        "head": report.head,
        "events": report.holds.get("events", 0),
        "documents": report.holds.get("documents", 0),
        "bundles": report.holds.get("bundles", 0),
        "holds": report.holds,
        "findings": [asdict(each) for each in report.findings],
        "skipped": [asdict(each) for each in report.skipped],
        "unprovable": list(UNPROVABLE),
    }
    facts(as_json, value, lambda: echo(*lines(report)))
    if (error := conclusion(report)) is not None:
        raise error
