"""Commands on pools of unlabelled inputs: `ratchet pool`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.cli.arguments import BatchPrefix, Words
from components.cli.options import Context, changing, json_option, pass_root
from components.cli.output import counted, echo, facts, table

if TYPE_CHECKING:
    from components.workspace.root import Workspace


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(pool)


@click.group()
def pool() -> None:
    """Manage pools: unlabelled inputs, of which few need a label.

    A pool examines like an exam, but is brought without labels. Where two versions give the
    same answer, nothing is lost whatever is right; so only inputs that they label differently
    are asked about, and only while it matters (`ratchet label`). Nothing in a pool is trained on.
    """


@pool.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", type=Words(), required=True, help="The task of these inputs.")
@json_option
@pass_root
def add(context: Context, file: Path, task: str, as_json: bool) -> None:
    """Add the inputs of FILE to the pool of a task.

    FILE is a .jsonl, .csv or .parquet file with a column of texts; labels in it are not looked
    at. Take inputs as they come, not those that a model was unsure of: 1,000 to 2,000 are enough
    for most decisions. Files dropped into data/pool/NAME are added by `ratchet intake`.
    """
    from components.operations import holdouts

    ws = context.open()
    with changing(ws) as lease:
        added = holdouts.add_pool(ws, lease, file, task)

    def show() -> None:
        echo(f"{added.exam}: {counted(added.items, 'new input')}.")
        if added.left_out:
            echo(f"Left out: {added.left_out}.")
        echo(f"next: ratchet run FILE --task {task}")

    facts(as_json, asdict(added), show)


@pool.command("list")
@json_option
@pass_root
def list_pools(context: Context, as_json: bool) -> None:
    """List the pools, their files, and what people answered."""
    from components.ledger import views

    ws = context.open()
    rows = [_row(ws, task, size) for task, size in views.pool_sizes(ws.ledger).items()]

    def show() -> None:
        if not rows:
            echo("There are no pools yet: `ratchet pool add FILE --task NAME`.")
            return
        columns = ["task", "inputs", "used", "labelled", "unclear", "asked twice", "disagreeing"]
        table(columns, [[*list(row.values())[:6], _share(row)] for row in rows])
        files = [(row["task"], *each.values()) for row in rows for each in row["files"]]
        shown = [(task, source[:12], name, inputs) for task, source, name, inputs in files]
        table(["task", "source", "file", "inputs"], shown)

    facts(as_json, rows, show)


@pool.command("remove")
@click.option("--task", type=Words(), required=True, help="The task whose inputs are removed.")
@click.option(
    "--file",
    "source",
    type=BatchPrefix(),
    help="Remove one file only: the first digits of its source (`ratchet pool list`).",
)
@click.option("--reason", type=Words(), default="removed by hand", help="Recorded in the ledger.")
@json_option
@pass_root
def remove(context: Context, task: str, source: str | None, reason: str, as_json: bool) -> None:
    """Remove inputs from a pool and delete their texts for good.

    For texts that may no longer be kept. They are deleted from data/holdout, from DVC's cache and
    from a remote that is a folder; what lies elsewhere (a remote that is an address, backups)
    you have to delete yourself. The ledger keeps digests and answers, no text. The inputs may be
    trained on again, if a batch brings them.
    """
    from components.operations import pool_removal

    ws = context.open()
    with changing(ws) as lease:
        removed = pool_removal.remove(ws, lease, task, reason, source)

    def show() -> None:
        inputs, files = counted(removed.inputs, "input"), counted(len(removed.sources), "file")
        echo(f"{removed.task}: removed {inputs} ({files}) and deleted the texts.")
        for place in removed.left:
            echo(f"Delete this copy yourself: {place}")
        echo("Backups made before still have the texts.")

    facts(as_json, asdict(removed), show)


def _row(ws: Workspace, task: str, size: int) -> dict[str, Any]:
    from components.ledger import views
    from components.operations.labelling import summary

    said = summary(ws, task)
    files = [
        {"source": each.source, "name": each.name, "inputs": each.items}
        for each in views.pool_files(ws.ledger)
        if each.task == task
    ]
    return {
        "task": task,
        "inputs": size,
        "used": min(size, ws.settings.holdout.max_items),
        **asdict(said),
        "files": files,
    }


def _share(row: dict[str, Any]) -> str:
    twice, differing = row["asked_twice"], row["disagreeing"]
    return f"{differing} ({100 * differing / twice:.0f} %)" if twice else ""
