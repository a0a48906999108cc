"""Commands that read the record: `history`, `version` and `audit verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from components.cli.arguments import VersionName
from components.cli.options import Context, json_option, pass_root, quiet_option
from components.cli.outcomes import show_causes
from components.cli.output import echo, facts, progress_bar, status, table
from components.report.verdicts import named, worth_showing


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
@json_option
@pass_root
def explain(context: Context, name: str, as_json: bool) -> None:
    """Explain why VERSION was promoted, held or rejected: a number, `champion` or `candidate`."""
    from components.operations.explanation import explain as find
    from components.operations.same_items import named

    ws = context.open()
    value = find(ws, named(ws, name).version)
    facts(as_json, value, lambda: _show(value))


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


def _show(value: dict[str, Any]) -> None:
    parent = f"trained from version {value['parent']}" if value["parent"] else "the first version"
    echo((f"Version {value['version']}: ", status(value["status"]), f", {parent}"))
    if value["batch"]:
        echo(f"Batch {value['batch'][:12]} ({value['source']})")
        for each in value["pooled"]:
            echo(f"  pooled: batch {each['batch'][:12]} ({each['source']})")
    else:
        echo(f"Origin: {value['origin']}, not a batch.")
    echo("", value["headline"])
    show_causes(value["causes"])
    for reason in value["reasons"]:
        if reason not in value["headline"]:
            echo(f"  - {reason}")
    if value["settle"]:
        echo("", "To settle it:", *(f"  - {way}" for way in value["settle"]))
    if value["later"]:
        echo("", "Later:")
        for each in value["later"]:
            echo(f"  {each['time'][:19]}  {each['what']}")
            for found in each["verdicts"]:
                echo(f"    {found['exam']}: {_numbers(found)}")
    echo("")
    shown, passed = worth_showing([v for v in value["verdicts"] if v["check"] != "drift"])
    table(
        ["check", "exam", "verdict", "loss", "bounds", "margin", "n", "worse/better", "detectable"],
        [_row(verdict) for verdict in shown],
    )
    if passed:
        more = "1 more label or slice" if passed == 1 else f"{passed:,} more labels and slices"
        echo(f"{more} passed; --json lists the rest.")
    _show_drift(value["drift"])
    echo(f"evidence {value['evidence']}", f"bundle   {value['bundle']}")
    echo(f"frozen   {value['frozen']}", f"report   {value['report']}")
    if value["parent"]:
        echo(f"next: ratchet errors {value['version']} (the texts that broke, and that were fixed)")


def _show_drift(findings: Sequence[Mapping[str, Any]]) -> None:
    """Print which drift was found, and what was looked for in vain: no verdict, but a finding."""
    if not findings:
        return
    found = [each for each in findings if each["drifted"]]
    looked = [_named(each) for each in findings if not each["drifted"] and each["n"]]
    unasked = [_named(each) for each in findings if not each["n"]]
    echo("Drift, beside what the champion was trained on:")
    for each in found:
        echo(f"  found: {_named(each)}: {each['sentence'].removeprefix('Drift: ')}")
    if looked:
        echo(f"  none in: {', '.join(looked)}")
    if unasked:
        echo(f"  not examined: {', '.join(unasked)}")


def _named(finding: Mapping[str, Any]) -> str:
    return str(finding["name"]).replace("_", " ")


def _row(v: Mapping[str, Any]) -> list[Any]:
    changes = (v["right_to_wrong"], v["wrong_to_right"])
    changed = "/".join(str(each) for each in changes if each is not None)
    bounds = (
        "" if v["lower_points"] is None else f"{v['lower_points']:.1f} … {v['upper_points']:.1f}"
    )
    return [
        v["check"],
        named(v),
        v["outcome"],
        _points(v["effect_points"]),
        bounds,
        _points(v["margin_points"]),
        v["n"] or "",
        changed,
        _points(v["detectable_points"]),
    ]


def _numbers(v: dict[str, Any]) -> str:
    return (
        f"loss {v['effect_points']:.1f} points (bounds {v['lower_points']:.1f} … "
        f"{v['upper_points']:.1f}), margin {v['margin_points']:.1f}, n {v['n']}"
    )


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
