"""The long-running command `ratchet worker`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextvars import copy_context
from threading import Event, Thread
from typing import Any

import click

from components.cli import stop_signals
from components.cli.arguments import seconds
from components.cli.options import Context, json_option, pass_root, with_prefect
from components.cli.output import echo, echo_json, progress_bar
from components.cli.worker_log import log, log_event, now

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOOK_SECONDS = 0.5


def register(group: click.Group) -> None:
    """Add this module's command."""
    group.add_command(worker)


@click.command()
@click.option(
    "--every",
    type=seconds(0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to check data/incoming and data/pool.",
)
@click.option(
    "--watch-every",
    type=seconds(1.0),
    metavar="SECONDS",
    help="How often to run `ratchet watch`.  [default: never]",
)
@click.option(
    "--idle-exit",
    type=seconds(0.0),
    metavar="SECONDS",
    help="Stop after this long without work; 0: as soon as the inbox is empty.  [default: never]",
)
@click.option(
    "--rest",
    type=seconds(0.0),
    metavar="SECONDS",
    help="Once there was work, stop after this long without any: frees memory.  [default: never]",
)
@click.option("--gather", is_flag=True, help="Take in what arrives, but train nothing.")
@json_option
@pass_root
def worker(
    context: Context,
    every: float,
    watch_every: float | None,
    idle_exit: float | None,
    rest: float | None,
    gather: bool,
    as_json: bool,
) -> None:
    """Keep running and process batches as they arrive.

    Processes data/incoming, data/pool and the inbox like `ratchet intake`, and keeps
    checking for new files. Libraries and the base model are loaded once, which saves seconds
    per batch. Changed settings apply from the next batch.

    Ctrl-C or SIGTERM stops it after the current batch, with exit code 0; a second one stops it
    at once. Transient errors (a locked database, a server that is down) are reported and
    retried; any other error ends the worker with its usual exit code. Each event is one line with
    its time (UTC): what arrived, what runs, what became of it; with --json as JSON.
    """
    with progress_bar(phases=False) as progress:
        root = context.open().root

        def act(flows: Any) -> None:
            pace = flows.Pace(every, watch_every, idle_exit, gather, rest)
            if not as_json:
                log(f"checking {root / 'data' / 'incoming'} every {every:g} s")
            _until_stopped(
                lambda stop: flows.serve(root, pace, stop, _json if as_json else log_event)
            )

        with_prefect(progress, act)


def _until_stopped(work: Callable[[Event], None]) -> None:
    """Run `work` in its own thread; the first signal asks it to stop, the second one ends it.

    When a flow runs in the main thread, Prefect handles SIGTERM itself and would abort the batch.
    """
    stop, faults, around = Event(), list[BaseException](), copy_context()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def body() -> None:
        try:
            around.run(work, stop)
        except BaseException as error:
            faults.append(error)

    def ask(*_: object) -> None:
        stop.set()
        restore()
        stop_signals.heard()  # handled here; later errors are reported as themselves
        echo("Stopping after the current batch; repeat to stop at once.", err=True)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in SIGNALS:
        signal.signal(number, ask)
    thread = Thread(target=body, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(LOOK_SECONDS)
    finally:
        restore()
    if faults:
        raise faults[0]


def _json(kind: str, value: dict[str, Any]) -> None:
    echo_json({"at": now(), "kind": kind, **value})
