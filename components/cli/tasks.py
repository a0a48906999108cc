"""The commands `ratchet task`: list, rename, merge and retire tasks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from components.cli.arguments import Words
from components.cli.options import Context, changing, json_option, pass_root
from components.cli.output import counted, echo, facts, table

if TYPE_CHECKING:
    from components.ledger.views import TaskRecord


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(task)


@click.group()
def task() -> None:
    """List tasks; correct the name of one, or stop examining it.

    Nothing that was recorded is changed: see docs/corrections.md.
    """


reason_option = click.option(
    "--reason", type=Words(), required=True, help="The reason; it is recorded in the ledger."
)


@task.command("list")
@json_option
@pass_root
def list_tasks(context: Context, as_json: bool) -> None:
    """List all tasks, with the names that they had before."""
    from components.ledger import views

    ws = context.open()
    found = views.task_records(ws.ledger)

    def show() -> None:
        if not found:
            echo("There are no tasks yet: `ratchet run FILE --task NAME`.")
            return
        heads = ["task", "anchor", "rows trained", "exams", "earlier names", "state"]
        table(heads, [_row(each) for each in found])

    facts(as_json, [asdict(each) for each in found], show)


def _row(each: TaskRecord) -> list[Any]:
    learned = "learned" if each.anchor is not None else "not learned yet"
    return [
        each.task,
        "" if each.anchor is None else f"version {each.anchor}",
        each.trained,
        ", ".join(f"{exam} ({count})" for exam, count in each.exams.items()),
        ", ".join(each.earlier),
        "retired" if each.retired else learned,
    ]


@task.command("rename")
@click.argument("old", type=Words())
@click.argument("new", type=Words())
@reason_option
@json_option
@pass_root
def rename(context: Context, old: str, new: str, reason: str, as_json: bool) -> None:
    """Give the task OLD the name NEW.

    Its exams, pool, anchor and answers keep counting under the new name. Rows that still come
    as OLD are rows of NEW.
    """
    from components.operations import corrections

    ws = context.open()
    with changing(ws) as lease:
        found = corrections.rename_task(ws, lease, old, new, reason)
    facts(as_json, asdict(found), lambda: _show_named(old, found))


@task.command("merge")
@click.argument("old", type=Words())
@click.argument("into", type=Words())
@reason_option
@json_option
@pass_root
def merge(context: Context, old: str, into: str, reason: str, as_json: bool) -> None:
    """Make the task OLD part of the task INTO.

    Exams that were brought for OLD become the next generations of INTO, its rows out of batches
    and its pool join those of INTO. INTO keeps its anchor. Rows that still come as OLD are rows
    of INTO.
    """
    from components.operations import corrections

    ws = context.open()
    with changing(ws) as lease:
        found = corrections.merge_task(ws, lease, old, into, reason)
    facts(as_json, asdict(found), lambda: _show_named(old, found))


def _show_named(old: str, found: TaskRecord) -> None:
    items = sum(found.exams.values())
    echo(
        f"Task {old!r} is called {found.task!r} now; rows that still come as {old!r} are its rows.",
        f"{found.task}: {counted(items, 'held-out item')} in {counted(len(found.exams), 'exam')}, "
        f"{counted(found.trained, 'row')} trained on.",
        "next: ratchet exam list",
    )


@task.command("retire")
@click.argument("name", type=Words())
@reason_option
@json_option
@pass_root
def retire(context: Context, name: str, reason: str, as_json: bool) -> None:
    """Stop examining the task NAME.

    Its exams are never sat again, and it has no anchor any more. A later batch of it starts it
    as a new task.
    """
    from components.operations import corrections

    ws = context.open()
    with changing(ws) as lease:
        was = corrections.retire_task(ws, lease, name, reason)

    def show() -> None:
        items = counted(sum(was.exams.values()), "item")
        echo(
            f"Task {was.task!r} is not examined any more: {counted(len(was.exams), 'exam')} with "
            f"{items} retired.",
            f"The champion stays trained on its rows ({was.trained}); its items stay held out. "
            "A later batch of it starts it as a new task.",
        )

    facts(as_json, asdict(was), show)
