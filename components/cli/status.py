"""The commands `status` and `report`: how good the champion is, what happened, what to do now."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from components.cli.next_steps import only_task
from components.cli.options import Context, json_option, pass_root
from components.cli.outcomes import show_left, show_warnings
from components.cli.output import clear, counted, echo, facts, table
from components.shown_text import shortened

if TYPE_CHECKING:
    from components.operations.standing import Known
    from components.workspace.root import Workspace

NEWEST = 25
"""How many batches are shown by default."""
WATCH_SECONDS = 5.0
WHY_CHARS = 90
BARS = "▁▂▃▄▅▆▇█"


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(show_status)
    group.add_command(report)


@click.command("status")
@click.option("--all", "show_all", is_flag=True, help="Show every batch, not only recent ones.")
@click.option("--watch", is_flag=True, help="Stay, and show what changes, until Ctrl-C.")
@json_option
@pass_root
def show_status(context: Context, show_all: bool, watch: bool, as_json: bool) -> None:
    """Show how good it is, what happened, what to do now.

    Accuracies are of the newest examination, with 95 % intervals; what changed since an earlier
    version is on items that both answered. Shows the most recent batches and the most recent
    waiting ones; --json lists all, with times.
    """
    if watch and as_json:
        raise click.UsageError("--watch is for people; programs call `status --json` again.")
    ws = context.open()
    shown = _facts(ws)
    facts(as_json, shown, lambda: _show(ws, shown, show_all))
    while watch:
        time.sleep(WATCH_SECONDS)
        if (now := _facts(ws)) != shown:
            clear()
            _show(ws, now, show_all)
            shown = now


@click.command()
@json_option
@pass_root
def report(context: Context, as_json: bool) -> None:
    """Write all pages again and print where their index is.

    The index has every batch with what became of it and why, and the accuracy of each task over
    versions. Pages are written by themselves after each decision and rollback; this rebuilds
    those that were lost or that an earlier Ratchet wrote.
    """
    from components.pipeline.pages import write_all

    index = write_all(context.open())
    facts(as_json, {"index": str(index)}, lambda: echo(f"All batches: {index}"))


def _facts(ws: Workspace) -> dict[str, Any]:
    from components.ledger import views
    from components.operations.required_actions import required_actions, upkeep
    from components.operations.standing import batches, in_force
    from components.pipeline.champion_accuracy import champion_accuracy
    from components.pipeline.incoming import look
    from components.pipeline.pages import index_path
    from components.pipeline.precedence import awaited_first
    from components.workspace.stored_files import remote_warning

    champion, force = views.champion(ws.ledger), in_force(ws)
    busy = ws.ledger.is_held(ws.settings.model.name)  # what is begun then, is being done
    return {
        "root": str(ws.root),
        "model": ws.settings.model.name,
        "champion": asdict(champion) | asdict(force) if champion and force else None,
        "accuracy": [asdict(each) for each in champion_accuracy(ws)],
        "inbox": [_row(each) for each in batches(ws)],
        "exams": {exam: count for exam, (_, count) in views.exam_sizes(ws.ledger).items()},
        "chosen": {name: asdict(each) for name, each in views.choices(ws.ledger).items()},
        "interrupted": 0 if busy else len(views.open_keys(ws.ledger)),
        "older": ws.ledger.difference(),
        "left": [asdict(each) for each in look(ws).left + look(ws, ws.pool_files).left],
        "labels": _labels_asked(ws),
        "settle": [
            asdict(each) | {"heading": each.heading} for each in required_actions(ws, NEWEST)
        ],
        "upkeep": upkeep(ws),
        "awaited": str(first) if (first := awaited_first(ws)) is not None else None,
        "probation": _probation(ws),
        "index": str(index) if (index := index_path(ws)).exists() else None,
        "warnings": [warning] if (warning := remote_warning(ws)) else [],
    }


def _row(known: Known) -> dict[str, Any]:
    return asdict(known.arrival) | {
        "task": known.task,
        "arrived": known.arrived,
        "why": known.why,
        "next": known.next,
    }


def _show(ws: Workspace, value: dict[str, Any], show_all: bool) -> None:
    _show_champion(value)
    _show_batches(ws, value, show_all)
    _show_waiting(value)
    if value["index"]:
        echo(f"All batches: {value['index']}")
    show_left(value["left"])
    show_warnings(value["warnings"])


def _show_champion(value: dict[str, Any]) -> None:
    """Print how good the champion is."""
    champion, name = value["champion"], value["model"]
    if champion is None:
        echo(f"{name}: no champion yet.")
        exams = ", ".join(f"{exam} ({counted(n, 'item')})" for exam, n in value["exams"].items())
        echo(f"Exams: {exams or 'none yet'}")
        return
    learned = f", trained last on {champion['source']}" if champion["source"] else ""
    how = "" if champion["how"] == "promotion" else f", by {champion['how']}"
    echo(
        f"{name}: version {champion['version']} is champion since {minute(champion['since'])}"
        f"{how}{learned}."
    )
    if rows := [_accuracy(each) for each in value["accuracy"]]:
        table(["task", "accuracy", "95 % interval", "exam", "on the same items"], rows)
    if value["probation"]:
        _show_probation(value["probation"])


def _accuracy(task: dict[str, Any]) -> tuple[str, ...]:
    exam = task["exam"] if task["exam"] != task["task"] else ""
    day = task["examined"][:10]
    return (
        task["task"],
        f"{task['percent']:.1f} %",
        f"{task['low']:.1f} to {task['high']:.1f} %",
        ", ".join(filter(None, (exam, counted(task["items"], "item"), day))),
        _trend(task["trend"]),
    )


def _trend(trend: dict[str, Any]) -> str:
    """Return the way of a task's accuracy over versions, as bars and in points."""
    points = trend["points"]
    if trend["change_points"] is None:
        return ""
    least = min(each["percent"] for each in points)
    most = max(each["percent"] for each in points)
    span = max(most - least, 1.0)
    bars = (
        ""
        if least == most
        else "".join(BARS[round((each["percent"] - least) / span * 7)] for each in points)
    )
    first = points[0]["version"]
    return f"{bars}  {trend['change_points']:+.1f} points since version {first}".strip()


def _show_batches(ws: Workspace, value: dict[str, Any], show_all: bool) -> None:
    """Print what happened to each batch, and why."""
    inbox = value["inbox"]
    shown = inbox if show_all else _worth_showing(inbox)
    if not shown:
        echo(f"No batch has arrived yet: `ratchet run FILE --task {only_task(ws)}`.")
        return
    table(
        ["batch", "file", "task", "arrived", "status", "version", "why, and what next"],
        [
            (
                row["batch"][:12],
                row["source"],
                row["task"],
                minute(row["arrived"]),
                row["status"],
                row["version"],
                (shortened(row["why"], WHY_CHARS), row["next"]),
            )
            for row in shown
        ],
    )
    if len(shown) < len(inbox):
        echo(f"{len(inbox) - len(shown)} earlier batches: `ratchet status --all`.")


def _show_waiting(value: dict[str, Any]) -> None:
    """Print what waits for a person, and what settles it."""
    lines: list[str] = []
    if value["labels"]:
        lines += [f"Labels asked for: up to {value['labels']}.", "next: ratchet label"]
    for each in value["settle"]:
        lines += [f"To settle {each['heading']}:", *(f"  - {way}" for way in each["settle"])]
    lines += [f"To look at: {line}" for line in value["upkeep"]]
    if value["awaited"]:
        lines.append(value["awaited"])
    if value["older"]:
        lines.append(f"{value['older']} `ratchet reconcile` says what to do.")
    if value["interrupted"]:
        lines.append("An operation was interrupted: run `ratchet reconcile`.")
    echo(*lines or ["Nothing waits for a person."])


def _show_probation(found: dict[str, Any]) -> None:
    if on := found["on"]:
        echo(
            f"Version {on['version']} is on probation until {minute(on['ends'])}, or "
            f"{on['labels_wanted']} labels that did not admit it ({on['labels']} so far)."
        )
    barred = f", {found['barred']} barred" if found["barred"] else ""
    echo(
        f"In force on probation so far: {counted(found['began'], 'version')}, of these "
        f"{found['confirmed']} confirmed, {found['rolled_back']} rolled back{barred}."
    )


def _worth_showing(inbox: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return waiting and recent batches, oldest first; at most `NEWEST` of each."""
    waiting = [row for row in inbox if row["status"] in ("queued", "running", "held")]
    shown = {row["batch"] for row in inbox[-NEWEST:] + waiting[-NEWEST:]}
    return [row for row in inbox if row["batch"] in shown]


def _labels_asked(ws: Workspace) -> int:
    """Return how many inputs wait for a label, at most; cheap where no version waits for any."""
    from components.ledger import views

    if not views.versions(ws.ledger, status="held") and views.probation(ws.ledger) is None:
        return 0
    from components.operations.label_files import open_questions

    return len({(each.task, each.item) for each in open_questions(ws).values()})


def _probation(ws: Workspace) -> dict[str, Any] | None:
    """Return how many versions came into force on probation, and the one that is; None: none."""
    from components.ledger import views

    if not views.probations(ws.ledger):
        return None
    from components.operations.probation import counts, progress

    on = progress(ws)
    return {**asdict(counts(ws)), "on": asdict(on) if on else None}


def minute(time: str) -> str:
    """Return a time of the ledger's (UTC) to the minute: 2026-11-24 10:05."""
    return time[:16].replace("T", " ")
