"""The commands `ratchet up` and `ratchet down`: a working installation, started and ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.cli import stop_signals
from components.cli.options import Context, json_option, pass_root
from components.cli.output import echo, facts, table

if TYPE_CHECKING:
    from components.service.supervisor import Supervisor
    from components.workspace.root import Workspace

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(up)
    group.add_command(down)


@click.command()
@click.argument("roots", nargs=-1, type=click.Path(file_okay=False, path_type=Path))
@click.option("--status", "only_status", is_flag=True, help="Show what runs, and start nothing.")
@json_option
@pass_root
def up(context: Context, roots: tuple[Path, ...], only_status: bool, as_json: bool) -> None:
    """Start everything that keeps the model current.

    MLflow with logins, Prefect with its schedules (`service` in params.yaml), and a worker that
    trains what arrives in data/incoming. ROOTS are more roots to serve, each with a model and a
    worker of its own; they share this root's MLflow and Prefect. What ends is started again.

    Ctrl-C, SIGTERM or `ratchet down` ends it after the current batch; a second one ends it at
    once, and the batch is run again the next time.
    """
    ws = context.open()
    if only_status:
        return _show_status(ws, as_json)
    more = [Context(root, context.debug).open() for root in roots]
    _run(ws, [ws, *more])


@click.command()
@click.option("--now", is_flag=True, help="Do not wait for the current batch: it is run again.")
@json_option
@pass_root
def down(context: Context, now: bool, as_json: bool) -> None:
    """End what `ratchet up` started here, after the current batch."""
    from components.service import supervisor

    ended = supervisor.ask_to_end(context.open().mlruns, now)
    facts(as_json, {"ended": ended}, lambda: echo("Ended." if ended else "Nothing runs here."))


def _show_status(ws: Workspace, as_json: bool) -> None:
    """Print every process; end with 1 where one is down."""
    from components.service import supervisor

    found = supervisor.statuses(ws.mlruns)
    words = {None: "runs", True: "answers", False: "does not answer"}
    rows = [(each.name, each.pid, words[each.answers] if each.runs else "ended") for each in found]
    state = supervisor.state(ws.mlruns) or {}
    addresses = {name: url for name, url in state.items() if name in ("mlflow", "prefect")}

    def show() -> None:
        if not found:
            echo("Nothing runs here.", "next: ratchet up")
            return
        table(["process", "pid", "state"], [(name, str(pid), said) for name, pid, said in rows])
        echo(*(f"{name}: {url}" for name, url in addresses.items()))
        if not state:
            echo(
                "What keeps them running was killed.",
                "`ratchet up` starts anew, `ratchet down` ends them.",
            )

    value = {"processes": [dict(zip(("name", "pid", "state"), row, strict=True)) for row in rows]}
    facts(as_json, {**value, **addresses}, show)
    if not state or any(said not in ("runs", "answers") for _, _, said in rows):
        click.get_current_context().exit(1)


def _run(home: Workspace, roots: list[Workspace]) -> None:
    from components.service import servers, supervisor
    from components.workspace.secrets_file import NAME

    service = home.settings.service
    servers.require_one_installation(home, roots)
    ports = {"mlflow_port": service.mlflow_port, "prefect_port": service.prefect_port}
    supervisor.require_idle(home.mlruns)
    supervisor.require_free(service.host, ports)
    echo("Starting; this takes up to a minute.")
    servers.prepare([ws.root for ws in roots])
    urls = {"mlflow": servers.mlflow_url(home), "prefect": servers.prefect_url(home)}

    def ready() -> None:
        echo(
            "",
            f"MLflow:   {servers.model_page(home)}   (log in as a person, see below)",
            f"          {servers.runs_page(home)}   (every version: outcome, accuracy, report)",
            f"Prefect:  {urls['prefect']}   (flow runs, schedules)",
            *(f"Batches:  {ws.root / 'data' / 'incoming'}" for ws in roots),
        )
        echo(*_first_steps(home, home.mlruns / NAME))

    running = supervisor.Supervisor(home.mlruns, servers.children(home, roots), urls)
    with _heard(running):
        running.run(echo, ready)
    echo("Ended.")


def _first_steps(home: Workspace, secrets: Path) -> tuple[str, ...]:
    from components.ledger import views

    people = views.people(home.ledger)
    if people:
        return (f"People:   {', '.join(people)}", "", "Ctrl-C ends it.")
    return (
        "",
        "Nobody can log in yet. In another terminal:",
        "  ratchet person add YOUR_NAME --role approver",
        f"  (MLflow's administrator is `admin`; the password is in {secrets})",
        "",
        "Ctrl-C ends it.",
    )


@contextmanager
def _heard(running: Supervisor) -> Iterator[None]:
    """Let the first signal end what runs, and the second one end it at once."""

    def ask(*_: object) -> None:
        stop_signals.heard()  # handled here; later errors are reported as themselves
        if running.stop() == 1:
            echo("Ending after the current batch; repeat to end at once.", err=True)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
