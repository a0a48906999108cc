"""The daily commands: init, run and intake."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from components.cli.next_steps import first_steps
from components.cli.options import (
    Context,
    changing,
    drain,
    json_option,
    pass_root,
    quiet_option,
    task_option,
)
from components.cli.outcomes import (
    show_arrived,
    show_heard,
    show_left,
    show_pooled,
    show_probation,
    show_released,
    show_settled,
    show_warnings,
)
from components.cli.output import echo, facts, progress_bar

EXIT_CODES = {"promoted": 0, "held": 3, "queued": 3, "running": 3}
"""Exit code by outcome of a batch; every other outcome exits with 1."""


def register(group: click.Group) -> None:
    """Add this module's commands."""
    for command in (init, run, intake):
        group.add_command(command)


@click.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--shared", is_flag=True, help="Use the umask for the permissions of new files.")
@pass_root
def init(context: Context, folder: Path | None, shared: bool) -> None:
    """Create a new root with params.yaml, here or in FOLDER.

    Existing files are left as they are. New files are private to you (0700) unless --shared
    is given.
    """
    from components.workspace.new_root import found_root

    root = (folder or context.new_root).resolve()
    made = found_root(root, shared=shared)
    what = f"Created {', '.join(made)} in {root}." if made else f"{root} is already a root."
    if made and not shared:
        what += " Only you can read these files; use `chmod` or --shared to give others access."
    echo(what, *_about_base(root))
    echo(*first_steps(None if root == Path.cwd() else folder or context.root))


@click.command()
@click.argument("batch", type=click.Path(path_type=Path))
@task_option
@quiet_option
@json_option
@pass_root
def run(context: Context, batch: Path, task: str | None, as_json: bool) -> None:
    """Run BATCH through the pipeline and decide on promotion.

    The batch is validated, trained on, examined and registered; the result is promoted, held
    or rejected. Batches already in the inbox run first. Exits with 0 if promoted, 1 if refused,
    rejected or taken out since (`ratchet forget`), 3 if held.
    """
    from components.ledger import views
    from components.pipeline import arrival, pages, precedence, preparation

    told = list[str]()
    with progress_bar() as progress:
        ws = context.open(progress)
        ws.base_folder(download=True)  # before anything is taken in, and not after 20 seconds
        arrived = arrival.arrive(ws, batch, task)
        if arrived.refused:
            pages.write_index(ws)
        earlier = preparation.settled(ws, views.pooled_into(ws.ledger, arrived.batch))
        outcomes = []
        if earlier.action in ("queued", "running") and not arrived.other_task:
            outcomes = drain(ws, progress, arrived.batch, told)
    seen = earlier.action not in ("queued", "running") and not arrived.is_new
    decided = views.pooled_into(ws.ledger, arrived.batch)
    result = asdict(preparation.settled(ws, decided)) | {"seen_before": seen}
    if result["action"] == "queued" and (first := precedence.awaited_first(ws)) is not None:
        result["headline"] = str(first)
    own = [each["notes"] for each in outcomes if each["batch"] == decided]
    result["notes"] = own[-1] if own else []
    result["report"] = _report(ws, result["version"])
    result["taken_out"] = arrived.taken_out if seen else None
    result["other_task"] = asdict(arrived.other_task) if arrived.other_task else None

    def show() -> None:
        if arrived.alike or arrived.other_task:
            show_arrived(asdict(arrived))
        for other in outcomes:
            if other["batch"] != decided:
                show_settled(other, told)
        if not arrived.other_task:
            show_settled(result, told)

    facts(as_json, result, show)
    unlearned = arrived.other_task or result["taken_out"]
    sys.exit(1 if unlearned else EXIT_CODES.get(result["action"], 1))


@click.command()
@quiet_option
@json_option
@pass_root
def intake(context: Context, as_json: bool) -> None:
    """Pick up everything that has arrived and run the inbox.

    Reads data/incoming and data/pool; the oldest file goes first. A subfolder names the task;
    files in data/pool hold unlabelled inputs (`ratchet pool`). A held batch whose labels have
    arrived is examined again. Exits with 0: a refused or held batch does not stop the batches
    after it (see `ratchet status`).
    """
    from components.operations.between_batches import Between
    from components.pipeline.polling import take_all
    from components.workspace.stored_files import remote_warning

    told = list[str]()
    with progress_bar() as progress:
        ws = context.open(progress)
        warning = remote_warning(ws)
        done = Between().do(ws, changing, once=True)
        taken = take_all(ws)
        outcomes = drain(ws, progress, told=told)
    result = {
        "arrived": [asdict(each) for each in taken.arrived],
        **asdict(done),
        "left": [asdict(each) for each in done.left + taken.left],
        "settled": outcomes,
        "warnings": [warning] if warning else [],
    }

    def show() -> None:
        new = sum(each.is_new for each in taken.arrived)
        echo(f"Files that arrived: {len(taken.arrived)}, new ones: {new}.")
        for each in result["arrived"]:
            show_arrived(each)
        show_pooled(result["pooled"])
        if result["probation"]:
            show_probation(result["probation"])
        for word in result["heard"]:
            show_heard(word)
        show_released(result["released"])
        show_left(result["left"])
        show_warnings(result["warnings"])
        for outcome in outcomes:
            show_settled(outcome, told)

    facts(as_json, result, show)


def _about_base(root: Path) -> tuple[str, ...]:
    """Return what a new root has to know of its base, if it is not on this machine."""
    from components.errors import ConfigError
    from components.workspace.root import open_workspace

    ws = open_workspace(root)
    try:
        if ws.base_folder() is not None:
            return ()
    except ConfigError as error:
        return (f"note: {error}",)
    return (f"note: `model.base`, {ws.settings.model.base}, is downloaded by the first run.",)


def _report(ws: Any, version: int | None) -> str | None:
    from components.ledger import views
    from components.pipeline.reporting import report_path

    found = views.version(ws.ledger, version) if version else None
    return str(report_path(ws, found.batch, found.bundle)) if found else None
