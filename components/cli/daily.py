"""The daily commands: init, run, intake, status and predict."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.cli.arguments import Words
from components.cli.options import Context, changing, json_option, pass_root, with_prefect
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
from components.cli.output import counted, echo, facts, plain, progress_bar, table

if TYPE_CHECKING:
    from components.ledger.views import Arrival

NEWEST = 25
"""How many batches `ratchet status` shows by default."""

EXIT_CODES = {"promoted": 0, "held": 3, "queued": 3, "running": 3}
"""Exit code by outcome of a batch; every other outcome exits with 1."""


def register(group: click.Group) -> None:
    """Add this module's commands."""
    for command in (init, run, intake, show_status, predict):
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

    root = (folder or context.root).resolve()
    made = found_root(root, shared=shared)
    what = f"Created {', '.join(made)} in {root}." if made else f"{root} is already a root."
    if made and not shared:
        what += " Only you can read these files; use `chmod` or --shared to give others access."
    echo(what, "Next: edit params.yaml, then `ratchet run batch.jsonl --task NAME`.")


@click.command()
@click.argument("batch", type=click.Path(path_type=Path))
@click.option(
    "--task",
    type=Words(),
    help="Task of rows without a task.  [default: the folder in data/incoming, or `default`]",
)
@json_option
@pass_root
def run(context: Context, batch: Path, task: str | None, as_json: bool) -> None:
    """Run BATCH through the pipeline and decide on promotion.

    The batch is validated, trained on, examined and registered; the result is promoted, held
    or rejected. Batches already in the inbox run first. Exits with 0 if promoted, 1 if refused,
    rejected or taken out since (`ratchet forget`), 3 if held.
    """
    from components.ledger import views
    from components.pipeline import arrival, precedence, preparation

    with progress_bar() as progress:
        ws = context.open(progress)
        arrived = arrival.arrive(ws, batch, task)
        earlier = preparation.settled(ws, views.pooled_into(ws.ledger, arrived.batch))
        outcomes = []
        if earlier.action in ("queued", "running") and not arrived.other_task:
            outcomes = with_prefect(progress, lambda flows: flows.drain(ws, arrived.batch))
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
                show_settled(other)
        if not arrived.other_task:
            show_settled(result)

    facts(as_json, result, show)
    unlearned = arrived.other_task or result["taken_out"]
    sys.exit(1 if unlearned else EXIT_CODES.get(result["action"], 1))


@click.command()
@json_option
@pass_root
def intake(context: Context, as_json: bool) -> None:
    """Pick up everything that has arrived and run the inbox.

    Reads data/incoming and data/pool; the oldest file goes first. A subfolder names the task;
    files in data/pool hold unlabelled inputs (`ratchet pool`). A held batch whose labels have
    arrived is examined again. Exits with 0: a refused or held batch does not stop the batches
    after it (see `ratchet status`).
    """
    from components.ledger import views
    from components.operations.between_batches import Between
    from components.pipeline.polling import take_all
    from components.workspace.stored_files import remote_warning

    with progress_bar() as progress:
        ws = context.open(progress)
        warning = remote_warning(ws)
        outcomes: list[dict[str, Any]] = []
        done = Between().do(ws, changing, once=True)
        taken = take_all(ws)
        if views.waiting(ws.ledger):
            outcomes = with_prefect(progress, lambda flows: flows.drain(ws))
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
            show_settled(outcome)

    facts(as_json, result, show)


@click.command("status")
@click.option("--all", "show_all", is_flag=True, help="Show every batch, not only recent ones.")
@json_option
@pass_root
def show_status(context: Context, show_all: bool, as_json: bool) -> None:
    """Show the champion, the inbox and what needs a person.

    Shows the most recent batches and the most recent waiting ones; --json lists all.
    """
    from components.ledger import views
    from components.operations.required_actions import required_actions, upkeep
    from components.pipeline.incoming import look
    from components.pipeline.precedence import awaited_first
    from components.workspace.stored_files import remote_warning

    ws = context.open()
    champion, inbox = views.champion(ws.ledger), views.arrivals(ws.ledger)
    required = required_actions(ws, NEWEST)
    busy = ws.ledger.is_held(ws.settings.model.name)  # what is begun then, is being done
    exams = {exam: count for exam, (_, count) in views.exam_sizes(ws.ledger).items()}
    value: dict[str, Any] = {
        "root": str(ws.root),
        "model": ws.settings.model.name,
        "champion": asdict(champion) if champion else None,
        "inbox": [asdict(arrival) for arrival in inbox],
        "exams": exams,
        "chosen": {name: asdict(each) for name, each in views.choices(ws.ledger).items()},
        "interrupted": 0 if busy else len(views.open_keys(ws.ledger)),
        "older": ws.ledger.difference(),
        "left": [asdict(each) for each in look(ws).left + look(ws, ws.pool_files).left],
        "labels": _labels_asked(ws),
        "settle": [asdict(each) for each in required],
        "upkeep": upkeep(ws),
        "awaited": str(first) if (first := awaited_first(ws)) is not None else None,
        "probation": _probation(ws),
        "warnings": [warning] if (warning := remote_warning(ws)) else [],
    }

    def show() -> None:
        if champion is None:
            echo(f"{ws.settings.model.name}: no champion yet.")
        else:
            echo(f"{ws.settings.model.name}: version {champion.version} is champion.")
        exam_list = ", ".join(f"{exam} ({counted(n, 'item')})" for exam, n in exams.items())
        echo(f"Exams: {exam_list or 'none yet'}")
        for name, each in value["chosen"].items():
            echo(f"{name}: auto, chosen as {each['value']}: {each['why']}.")
        shown = inbox if show_all else _worth_showing(inbox)
        names = views.renamed_tasks(ws.ledger)
        rows = [
            (
                a.batch[:12],
                a.source,
                names.get(a.task, a.task),
                a.status,
                a.version,
                _shorten(a.reason),
            )
            for a in shown
        ]
        if rows:
            table(["batch", "file", "task", "status", "version", "why"], rows)
            if len(shown) < len(inbox):
                echo(f"{len(inbox) - len(shown)} earlier batches: `ratchet status --all`.")
        else:
            echo("The inbox is empty: `ratchet run batch.jsonl --task NAME`.")
        if value["probation"]:
            _show_probation(value["probation"])
        if value["labels"]:
            echo(f"Labels asked for: up to {value['labels']}.", "next: ratchet label")
        for required_action in required:
            echo(f"To settle {required_action}")
        for line in value["upkeep"]:
            echo(f"To look at: {line}")
        if value["awaited"]:
            echo(value["awaited"])
        if value["older"]:
            echo(f"{value['older']} `ratchet reconcile` says what to do.")
        if value["interrupted"]:
            echo("An operation was interrupted: run `ratchet reconcile`.")
        show_left(value["left"])
        show_warnings(value["warnings"])

    facts(as_json, value, show)


@click.command()
@click.argument("texts", nargs=-1)
@click.option("--proba", is_flag=True, help="Show the probability of each label.")
@json_option
@pass_root
def predict(context: Context, texts: tuple[str, ...], proba: bool, as_json: bool) -> None:
    """Classify TEXTS, or lines of standard input, with the champion."""
    from components.errors import ConfigError
    from components.ledger import views
    from components.pipeline.arrival import printable

    ws = context.open()
    champion = views.champion(ws.ledger)
    if champion is None:
        raise ConfigError("There is no champion yet.", "Run a batch first: `ratchet run FILE`.")
    from components.model.answering import predict as answer
    from components.model.bundle import open_bundle
    from components.model.placement import placement_of

    lines = texts or [line.rstrip("\n") for line in sys.stdin if line.strip()]
    asked = [printable(line) for line in lines]
    if not asked:
        raise ConfigError(
            "No texts were given.", "Pass texts as arguments or as lines on standard input."
        )
    bundle = open_bundle(ws.bundles, champion.bundle)
    found = answer(ws.base, bundle, asked, placement_of(ws.settings))
    rows: list[dict[str, Any]] = [
        {
            "text": text,
            "label": label,
            "probabilities": dict(zip(found.classes, map(float, chances), strict=True)),
        }
        for text, label, chances in zip(asked, found.labels, found.probabilities, strict=True)
    ]

    def show() -> None:
        for row in rows:
            chances = "  ".join(f"{k} {v:.3f}" for k, v in row["probabilities"].items())
            cells = [row["label"], row["text"], *([chances] if proba else [])]
            echo("\t".join(map(plain, cells)))

    facts(as_json, {"version": champion.version, "answers": rows}, show)


def _worth_showing(inbox: list[Arrival]) -> list[Arrival]:
    """Return waiting and recent batches, oldest first; at most `NEWEST` of each."""
    waiting = [arrival for arrival in inbox if arrival.status in ("queued", "running", "held")]
    shown = {arrival.batch for arrival in inbox[-NEWEST:] + waiting[-NEWEST:]}
    return [arrival for arrival in inbox if arrival.batch in shown]


def _labels_asked(ws: Any) -> int:
    """Return how many inputs wait for a label, at most; cheap where no version waits for any."""
    from components.ledger import views

    if not views.versions(ws.ledger, status="held") and views.probation(ws.ledger) is None:
        return 0
    from components.operations.label_files import open_questions

    return len({(each.task, each.item) for each in open_questions(ws).values()})


def _probation(ws: Any) -> dict[str, Any] | None:
    """Return how many versions came into force on probation, and the one that is; None: none."""
    from components.ledger import views

    if not views.probations(ws.ledger):
        return None
    from components.operations.probation import counts, progress

    on = progress(ws)
    return {**asdict(counts(ws)), "on": asdict(on) if on else None}


def _show_probation(found: dict[str, Any]) -> None:
    from components.operations.probation import day

    if on := found["on"]:
        echo(
            f"Version {on['version']} is on probation until {day(on['ends'])}, or "
            f"{on['labels_wanted']} labels that did not admit it ({on['labels']} so far)."
        )
    barred = f", {found['barred']} barred" if found["barred"] else ""
    echo(
        f"In force on probation so far: {counted(found['began'], 'version')}, of these "
        f"{found['confirmed']} confirmed, {found['rolled_back']} rolled back{barred}."
    )


def _report(ws: Any, version: int | None) -> str | None:
    from components.ledger import views
    from components.pipeline.reporting import report_path

    found = views.version(ws.ledger, version) if version else None
    return str(report_path(ws, found.batch, found.bundle)) if found else None


def _shorten(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
