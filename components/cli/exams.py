"""The commands `ratchet exam` and `ratchet anchor`: what counts, and against which version."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from components.cli.arguments import VERSION, Words
from components.cli.next_steps import after_exam
from components.cli.options import Context, changing, json_option, pass_root
from components.cli.output import counted, echo, facts, table
from components.cli.tasks import reason_option
from components.exam_names import task_of

SHOWN_LINES = 20
"""How many rows of a file a message names."""

SHOWN = {
    "exam": "exam",
    "from": "origin",
    "task": "task",
    "items": "items",
    "used": "used",
    "unconfirmed": "unconfirmed",
    "sat": "decisions",
    "stopped": "stopped",
    "decides on": "decides",
}
"""Heading of `exam list` -> its field in JSON."""


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(exam)
    group.add_command(anchor)


@click.group()
def exam() -> None:
    """List exams and pools; retire or correct one.

    Nothing that was recorded is changed: see docs/corrections.md. New exams are added with
    `ratchet holdout add`.
    """


@exam.command("list")
@click.option("--all", "retired_too", is_flag=True, help="List retired exams as well.")
@json_option
@pass_root
def list_exams(context: Context, retired_too: bool, as_json: bool) -> None:
    """List all exams and pools, and what each decides.

    "sat" and "stopped" count the candidates that an exam examined, and those that were rejected
    or held for what they got wrong on it. One exam a task decides on every batch; where all of a
    task are too small for that, one decides on batches with rows of that task. What decides
    nothing still stops what it shows to be too bad. "unconfirmed" are rows of held batches.
    """
    from components.operations.exam_overview import overview

    found = [each for each in overview(context.open()) if retired_too or not each.record.retired]
    rows = [
        {**asdict(each.record), "used": each.used, "stopped": each.stopped, "decides": each.decides}
        for each in found
    ]

    def show() -> None:
        if not rows:
            echo("There are no exams yet: `ratchet holdout add FILE --task NAME`.")
            return
        shown = dict(SHOWN)
        if not any(row["unconfirmed"] for row in rows):
            del shown["unconfirmed"]
        table([*shown], [[row[name] for name in shown.values()] for row in rows])
        echo("next: ratchet gate plan (how many items each of them should have)")

    facts(as_json, rows, show)


@exam.command("retire")
@click.argument("name", metavar="EXAM", type=Words())
@reason_option
@json_option
@pass_root
def retire(context: Context, name: str, reason: str, as_json: bool) -> None:
    """Never let EXAM be sat again.

    Its items stay held out: they are never trained on. The exam stays in the record (`ratchet
    exam list --all`). The next file for its task opens the next generation.
    """
    from components.ledger import views
    from components.operations import corrections

    ws = context.open()
    with changing(ws) as lease:
        was = corrections.retire_exam(ws, lease, name, reason)

    def show() -> None:
        echo(
            f"{was.exam} is retired: {counted(was.items, 'item')} stay held out, and are not sat "
            "any more."
        )
        if was.task not in views.exam_tasks(ws.ledger):
            echo(f"Task {was.task!r} has no exam now: nothing shows whether it gets worse.")
        echo(f"next: ratchet holdout add FILE --task {was.task}")

    facts(as_json, asdict(was), show)


@exam.command("relabel")
@click.argument("name", metavar="EXAM", type=Words())
@click.argument("file", type=click.Path(path_type=Path))
@reason_option
@json_option
@pass_root
def relabel(context: Context, name: str, file: Path, reason: str, as_json: bool) -> None:
    """Give items of EXAM the labels that FILE has for their texts.

    FILE has rows of text and label, in any format that batches may have; the text must be that of
    the item exactly. Rows that are no item of the exam are named and change nothing. What was
    decided before stays as it is: run `ratchet watch` afterwards.
    """
    from components.operations import relabelling

    ws = context.open()
    with changing(ws) as lease:
        done = relabelling.relabel(ws, lease, name, file, reason)

    def show() -> None:
        echo(f"{done.exam}: {counted(done.items, 'item')} relabelled.")
        if done.same:
            echo(f"  {counted(done.same, 'row')} with the label that the exam has already.")
        if done.unknown:
            lines = ", ".join(map(str, done.unknown[:SHOWN_LINES]))
            more = len(done.unknown) - SHOWN_LINES
            echo(f"  No item of the exam: line {lines}{f' and {more} more' if more > 0 else ''}.")
        for line, why in list(done.rejected.items())[:SHOWN_LINES]:
            echo(f"  Left out: line {line}: {why}")
        echo(after_exam(ws, task_of(done.exam)))

    facts(as_json, asdict(done), show)


@click.group()
def anchor() -> None:
    """List anchors; hold a task against another version.

    A task's anchor is the version that no later one may fall behind by more than
    `gate.anchor_margin_points`, however small the steps.
    """


@anchor.command("list")
@json_option
@pass_root
def list_anchors(context: Context, as_json: bool) -> None:
    """List the version that each task is held against."""
    from components.ledger import views

    ws = context.open()
    found = views.champion(ws.ledger)
    rows = [
        {"task": task, "anchor": at, "moves": views.anchor_moves(ws.ledger, task)}
        for task, at in sorted(found.anchors.items() if found else ())
    ]

    def show() -> None:
        if not rows:
            echo("There are no anchors yet: a task gets one when it is learned.")
            return
        table(["task", "anchor", "moved by people"], [list(row.values()) for row in rows])

    facts(as_json, rows, show)


@anchor.command("move")
@click.option("--task", type=Words(), required=True, help="The task to be held against it.")
@click.option("--to", "target", type=VERSION, help="The version.  [default: the champion]")
@reason_option
@json_option
@pass_root
def move(context: Context, task: str, target: int | None, reason: str, as_json: bool) -> None:
    """Hold a task against the champion, or one of its ancestors, from now on.

    For a real change of what is right: what was lost up to the new anchor is accepted, and a new
    budget of loss begins. Every move is counted.
    """
    from components.operations import corrections

    ws = context.open()
    with changing(ws) as lease:
        moved = corrections.move_anchor(ws, lease, task, reason, target)
    margin = ws.settings.gate.anchor_margin_points

    def show() -> None:
        echo(
            f"Task {moved.task!r} is held against version {moved.to} now, not version "
            f"{moved.from_}.",
            f"Its budget of loss starts again, at {margin:g} points below version {moved.to}.",
        )
        if moved.may_lose_points is None:
            echo(
                f"  Version {moved.to} is older: against version {moved.from_} no loss is "
                "excluded any more."
            )
        else:
            echo(
                f"  Against version {moved.from_}, up to {moved.may_lose_points:g} points may be "
                f"lost now: {margin:g} up to version {moved.to}, and {margin:g} after it."
            )
        echo(f"  This task's anchor was moved {counted(moved.moves, 'time')} by people.")

    facts(as_json, asdict(moved), show)
