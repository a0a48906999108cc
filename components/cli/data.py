"""Commands on data that is kept apart: `ratchet holdout` and `ratchet quarantine`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from components.cli.arguments import BatchPrefix, Words
from components.cli.options import Context, changing, json_option, pass_root
from components.cli.output import echo, facts, table


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(holdout)
    group.add_command(quarantine)


@click.group()
def holdout() -> None:
    """Items that are never trained on: the exams.

    Every candidate must keep getting them right.
    """


@holdout.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", type=Words(), required=True, help="The task that these items examine.")
@click.option("--fill", is_flag=True, help="Let them join the newest exam of the task.")
@json_option
@pass_root
def add(context: Context, file: Path, task: str, fill: bool, as_json: bool) -> None:
    """Make the items of FILE an exam of a task.

    A second file for the same task opens the next generation ("tweets#2"), examined by
    itself: bring as many items as `ratchet gate plan` names. With --fill they join the newest
    exam, which settles a verdict of too few items. Afterwards `ratchet watch` looks at the
    champion with the new items.
    """
    from components.operations import holdouts

    ws = context.open()
    with changing(ws) as lease:
        added = holdouts.add(ws, lease, file, task, fill)

    def show() -> None:
        echo(f"{added.exam}: {added.items} items are held out from now on.")
        left = {"broken": added.rejected, "known": added.known, "trained on": added.trained}
        if any(left.values()):
            said = ", ".join(f"{count} {why}" for why, count in left.items() if count)
            echo(f"Left out: {said}.")
        echo("next: ratchet watch")

    facts(as_json, asdict(added), show)


@holdout.command("list")
@json_option
@pass_root
def list_exams(context: Context, as_json: bool) -> None:
    """Show every exam and how many items it has."""
    from components.ledger import views

    ws = context.open()
    known = views.known_tasks(ws.ledger)
    limit = ws.settings.holdout.max_items
    rows = [
        {
            "exam": exam,
            "task": task,
            "items": count,
            "used": min(count, limit),
            "blocking": task in known,
        }
        for exam, (task, count) in views.exam_sizes(ws.ledger).items()
    ]

    def show() -> None:
        if not rows:
            echo("Nothing is held out yet: `ratchet holdout add FILE --task NAME`.")
            return
        table(["exam", "task", "items", "used", "blocking"], [list(row.values()) for row in rows])

    facts(as_json, rows, show)


@click.group()
def quarantine() -> None:
    """What was refused, with its reason; nothing in here is lost."""


@quarantine.command("list")
@json_option
@pass_root
def list_quarantine(context: Context, as_json: bool) -> None:
    """Show what is in quarantine."""
    from components.ledger import views

    ws = context.open()
    older = ws.ledger.difference()
    sources = {arrival.batch: arrival.source for arrival in views.arrivals(ws.ledger)}
    rows = [
        {"batch": row.batch, "file": sources.get(row.batch, ""), "kind": row.kind,
         "rows": row.rows, "status": row.status, "reason": row.reason}
        for row in views.quarantined(ws.ledger)
    ]  # fmt: skip

    def show() -> None:
        if older:
            echo(f"{older} `ratchet reconcile` says what to do.")
        elif not rows:
            echo("Quarantine is empty.")
        if not rows:
            return
        shown = [[row["batch"][:12], *list(row.values())[1:]] for row in rows]
        table(["batch", "file", "kind", "rows", "status", "reason"], shown)

    facts(as_json, rows, show)


@quarantine.command("show")
@click.argument("batch", type=BatchPrefix())
@json_option
@pass_root
def show_quarantine(context: Context, batch: str, as_json: bool) -> None:
    """Show one entry: why, and each refused row with its line. BATCH may be abbreviated."""
    from components.data.quarantine import read_rows
    from components.operations.quarantine_release import find_entry

    ws = context.open()
    entry = find_entry(ws, batch)
    rows = list(read_rows(entry))
    value = {
        "batch": entry.batch,
        "file": entry.source,
        "kind": entry.kind,
        "reason": entry.reason,
        "stored": entry.stored_path,
        "rows": [asdict(row) for row in rows],
    }

    def show() -> None:
        echo(f"{entry.source} ({entry.batch[:12]}, {entry.kind}): {entry.reason}")
        if rows:
            table(
                ["line", "why", "row"],
                [(row.place, "; ".join(row.reasons), ascii(row.raw)[:100]) for row in rows],
            )
        echo(f"next: ratchet quarantine release {entry.batch[:12]}")

    facts(as_json, value, show)


@quarantine.command("release")
@click.argument("batch", type=BatchPrefix())
@click.option(
    "--task",
    type=Words(),
    help="Task of the rows: of all of them, but in a file that could not be read of those without.",
)
@json_option
@pass_root
def release_quarantine(context: Context, batch: str, task: str | None, as_json: bool) -> None:
    """Queue an entry, or a held batch, again: under today's settings, through the whole gate.

    A held batch is worth examining again after `ratchet holdout add` brought more items. One
    that was rolled back trains to the same barred bundle unless holdouts or champion changed.
    """
    from components.operations.quarantine_release import release_any

    ws = context.open()
    with changing(ws) as lease:
        released = release_any(ws, lease, batch, task)
    facts(
        as_json,
        asdict(released),
        lambda: echo(f"Batch {released.batch[:12]} waits in the inbox.", "next: ratchet intake"),
    )
