"""The command that stays up: `ratchet worker`."""

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
from components.cli.outcomes import show_arrived, show_left, show_rollback, show_settled
from components.cli.output import echo, echo_json, progress_bar

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
    help="How often to look into data/incoming.",
)
@click.option(
    "--watch-every",
    type=seconds(1.0),
    metavar="SECONDS",
    help="Also look at the champion again, this often.  [default: never]",
)
@click.option(
    "--idle-exit",
    type=seconds(0.0),
    metavar="SECONDS",
    help="End when nothing was there to do for so long; 0: once the inbox is empty."
    "  [default: stay up]",
)
@json_option
@pass_root
def worker(
    context: Context,
    every: float,
    watch_every: float | None,
    idle_exit: float | None,
    as_json: bool,
) -> None:
    """Stay up and run what arrives.

    Takes what lies in data/incoming and what waits in the inbox, oldest first, as `ratchet
    intake` does, and goes on looking. Libraries and base model are loaded once, so a batch
    costs seconds less. Changed settings count from the next batch on.

    Ctrl-C or SIGTERM ends it after the batch in hand, with 0; a second one breaks off. A
    passing fault (a locked database, a server that is down) is told and waited out; any
    other ends the worker with the code that it has elsewhere. With --json each outcome is
    one line.
    """
    with progress_bar() as progress:
        root = context.open().root

        def act(flows: Any) -> None:
            pace = flows.Pace(every, watch_every, idle_exit)
            if not as_json:
                echo(f"Looking into {root / 'data' / 'incoming'} every {every:g} s.")
            _until_stopped(lambda stop: flows.serve(root, pace, stop, _json if as_json else _show))

        with_prefect(progress, act)


def _until_stopped(work: Callable[[Event], None]) -> None:
    """Run `work` in a thread of its own; the first signal asks it to stop, the next one ends it.

    Prefect takes SIGTERM for itself where a flow runs in the main thread, and would break off
    the batch.
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
        stop_signals.heard()  # this one is obeyed; what goes wrong from now on is told as it is
        echo("Ending after the batch in hand; once more breaks off.", err=True)

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
    echo_json({"kind": kind, **value})


def _show(kind: str, value: dict[str, Any]) -> None:
    if kind == "settled":
        show_settled(value)
    elif kind in ("refused", "arrived"):
        show_arrived(value)
    elif kind == "left":
        show_left([value])
    elif kind == "fault":
        echo(f"fault ({value['code']}): {value['message']}", value["remedy"], err=True)
    elif value["rollback"]:
        show_rollback(value["rollback"])
