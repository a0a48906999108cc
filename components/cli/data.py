"""Commands on holdouts and quarantine: `ratchet holdout`, `ratchet quarantine`."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.cli.arguments import BatchPrefix, Words
from components.cli.next_steps import after_exam, after_quarantine
from components.cli.options import Context, changing, json_option, pass_root
from components.cli.outcomes import show_causes
from components.cli.output import counted, echo, facts, table
from components.data.contract import COPY, EARLIER_COPY
from components.shown_text import shortened

if TYPE_CHECKING:
    from components.data.validation import Rejected
    from components.operations.quarantine_overview import Listed
    from components.settings import DataSettings

REASON_CHARS, FILES = 120, 3
"""How much of a reason, and how many files, the list of the quarantine shows."""

LABEL_CHARS, TEXT_CHARS = 40, 100
"""How much of a refused row's label and text is shown."""


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(holdout)
    group.add_command(quarantine)


@click.group()
def holdout() -> None:
    """Manage exams: items that are never trained on.

    Every candidate must keep answering them correctly.
    """


@holdout.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", type=Words(), required=True, help="The task of these items.")
@click.option("--fill", is_flag=True, help="Add the items to the newest exam of the task.")
@json_option
@pass_root
def add(context: Context, file: Path, task: str, fill: bool, as_json: bool) -> None:
    """Add the items of FILE as an exam of a task.

    A second file for the same task becomes a separate exam, the next generation
    ("tweets#2"): bring as many items as `ratchet gate plan` suggests. With --fill the items
    join the newest exam instead, to settle a verdict of too few items. Run `ratchet watch`
    afterwards to examine the champion on the new items.
    """
    from components.ledger import views
    from components.operations import holdouts

    ws = context.open()
    with changing(ws) as lease:
        added = holdouts.add(ws, lease, file, task, fill)

    def show() -> None:
        echo(f"{added.exam}: {counted(added.items, 'new item')} held out.")
        if added.left_out:
            echo(f"Left out: {added.left_out}.")
        echo(after_exam(ws, views.renamed_tasks(ws.ledger).get(task, task)))

    facts(as_json, asdict(added), show)


@holdout.command("list")
@json_option
@pass_root
def list_exams(context: Context, as_json: bool) -> None:
    """List all exams and their sizes."""
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
            echo("There are no exams yet: `ratchet holdout add FILE --task NAME`.")
            return
        columns = ["exam", "task", "items", "used"]
        table(columns, [[row[name] for name in columns] for row in rows])
        echo("next: ratchet exam list (which of them decide)")

    facts(as_json, rows, show)


@click.group()
def quarantine() -> None:
    """Show and release what was refused; nothing is deleted."""


@quarantine.command("list")
@click.option("--all", "show_all", is_flag=True, help="Show corrected entries as well.")
@json_option
@pass_root
def list_quarantine(context: Context, show_all: bool, as_json: bool) -> None:
    """List what is in quarantine, and batches that are held, with the likely cause.

    An entry is left out once all of its rows came in with a file that was promoted, whatever
    their labels are there. All of these can be released. --json has everything.
    """
    from components.operations.quarantine_overview import overview

    ws = context.open()
    older, found = ws.ledger.difference(), overview(ws)
    rows = [asdict(each) for each in found]

    def show() -> None:
        if older:
            echo(f"{older} `ratchet reconcile` explains what to do.")
        elif not found:
            echo("Quarantine is empty, and no batch is held.")
        shown = [each for each in found if show_all or not each.corrected]
        if shown:
            table(
                ["batch", "file", "kind", "rows", "status", "why"],
                [
                    (each.batch[:12], each.file, each.kind, each.rows, each.status, _why(each))
                    for each in shown
                ],
            )
        if len(shown) < len(found):
            echo(
                f"Not shown: {len(found) - len(shown):,} whose rows all came in with another file "
                "(--all shows them)."
            )

    facts(as_json, rows, show)


def _why(each: Listed) -> tuple[str, ...]:
    """Return the probable cause in a few words, else the reason; and what came in since."""
    from components.gate.sentences import listed

    cause = each.causes[0].partition(": ")[0] if each.causes else ""
    since = ""
    if each.came_in:
        of = f"{each.came_in.rows:,} of {each.came_in.of:,} rows"
        since = f"{of} came in with {listed(each.came_in.files, FILES)}"
    return cause or shortened(each.reason, REASON_CHARS), since


@quarantine.command("show")
@click.argument("batch", type=BatchPrefix())
@json_option
@pass_root
def show_quarantine(context: Context, batch: str, as_json: bool) -> None:
    """Show why an entry is in quarantine, row by row. BATCH may be abbreviated."""
    from components.data.quarantine import read_rows
    from components.ledger import views
    from components.operations.quarantine_release import find_entry
    from components.pipeline.cause import causes_of

    ws = context.open()
    entry = find_entry(ws, batch)
    rows = list(read_rows(entry))
    arrival = views.arrival(ws.ledger, entry.batch)
    found = views.version(ws.ledger, arrival.version) if arrival and arrival.version else None
    likely = causes_of(ws, found)
    value = {
        "batch": entry.batch,
        "file": entry.source,
        "kind": entry.kind,
        "reason": entry.reason,
        "causes": likely,
        "stored": entry.stored_path,
        "rows": [asdict(row) for row in rows],
    }

    def show() -> None:
        echo(f"{entry.source} ({entry.batch[:12]}, {entry.kind}): {entry.reason}")
        show_causes(likely)
        if rows:
            table(
                ["line", "why", "label", "text"],
                [(row.place, _reasons(row), *_said(row.raw, ws.settings.data)) for row in rows],
            )
        echo(*after_quarantine(ws, entry, rows))

    facts(as_json, value, show)


def _reasons(row: Rejected) -> str:
    return "; ".join(row.reasons).replace(EARLIER_COPY, COPY)


def _said(raw: Any, contract: DataSettings) -> tuple[str, str]:
    """Return the label and the text of a row that was refused; of a line that is no row, the line.

    What is no string is shown as JSON.
    """
    from components.data.columns import as_read

    if isinstance(raw, str):
        return "", shortened(raw, TEXT_CHARS)
    values = as_read(raw, contract)
    said = (values.get(name) for name in (contract.label_column, contract.text_column))
    label, text = (
        each if isinstance(each, str) else "" if each is None else json.dumps(each) for each in said
    )
    return shortened(label, LABEL_CHARS), shortened(text, TEXT_CHARS)


@quarantine.command("export")
@click.argument("batch", type=BatchPrefix())
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--answers", is_flag=True, help="Add what the champion answers to each row, and how sure it is."
)
@json_option
@pass_root
def export_quarantine(
    context: Context, batch: str, file: Path, answers: bool, as_json: bool
) -> None:
    """Write the rows of BATCH to FILE (.csv or .jsonl), to be corrected and sent again.

    Rows that were refused alone, or every row of a batch that was refused whole, rejected, rolled
    back or is held. A table says in the column `ratchet_why` what is wrong with each row; keep the
    column `ratchet_id`, by which cells come back as they were. Whatever is corrected becomes a
    batch of its own with `ratchet run FILE`; the entry stays in quarantine.
    """
    from components.operations.quarantine_export import export

    ws = context.open()
    done = export(ws, batch, file, answers)

    def show() -> None:
        broken = f", {done.broken:,} of them broken" if 0 < done.broken < done.rows else ""
        echo(
            f"{counted(done.rows, 'row')} of {done.source} ({done.batch[:12]}) in {file}{broken}.",
        )
        if done.champion:
            echo(
                f"The champion, version {done.champion}, answers {done.disagrees:,} of them "
                "differently: see the column ratchet_champion."
            )
        echo(
            "Correct them, and delete those that you do not want: what is left becomes a batch.",
            f"next: ratchet run {shlex.quote(str(file))}",
        )

    facts(as_json, asdict(done) | {"file": str(file)}, show)


@quarantine.command("release")
@click.argument("batch", type=BatchPrefix())
@click.option(
    "--task",
    type=Words(),
    help="Task of the rows; in a file that could not be read, only of rows without a task.",
)
@click.option("--force", is_flag=True, help="Release it although its rows came in since.")
@json_option
@pass_root
def release_quarantine(
    context: Context, batch: str, task: str | None, force: bool, as_json: bool
) -> None:
    """Queue a quarantine entry or a held batch again.

    It runs with the current settings and passes the whole gate. Release a held batch after
    adding items with `ratchet holdout add`. A batch that was rolled back trains to the same
    barred bundle unless the holdouts or the champion have changed. With --task, a batch that is
    held or queued comes back as a batch of that task, and replaces the old one.

    Refused is what came in with another file since, wholly or for the most part: it was corrected,
    and would be learned once more with the labels that it had. --force releases it all the same.
    """
    from components.operations.quarantine_release import release_any

    ws = context.open()
    with changing(ws) as lease:
        released = release_any(ws, lease, batch, task, force)

    def show() -> None:
        echo(
            f"Batch {released.batch[:12]} is in the inbox, and runs through the whole gate.",
            "A release can't be taken back; what comes of it can: `ratchet rollback`.",
            "next: ratchet intake",
        )

    facts(as_json, asdict(released), show)
