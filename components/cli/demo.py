"""The command `ratchet demo`: the whole pipeline on real data, explained as it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from components.cli.arguments import SEED
from components.cli.options import json_option, own_prefect_home
from components.cli.output import echo, facts, progress_bar, table


def register(group: click.Group) -> None:
    """Add this module's command."""
    group.add_command(demo)


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Root folder of the demo; it is recreated each time.",
)
@click.option(
    "--base", type=click.Path(exists=True, path_type=Path), help="Local folder with MiniLM."
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Decides which sentences go into which batch.",
)
@json_option
def demo(folder: Path, base: Path | None, seed: int, as_json: bool) -> None:
    """Show the whole pipeline on real data, in a separate root.

    Four domains of rated sentences arrive one after the other: a batch that a few labels
    decide, promotions, refusals, a poisoned batch, and a late regression that is rolled back.
    The order of the batches is fixed; everything else is decided by the gate. Takes a few
    minutes on two cores.
    """
    own_prefect_home(folder)

    from flows.demo import run_demo

    with progress_bar(phases=False) as progress:

        def say(text: str) -> None:
            echo(*text.split("\n"), err=as_json)

        result = run_demo(folder, base, seed, progress, say)
    facts(as_json, result, lambda: _show(result))


def _show(result: dict[str, Any]) -> None:
    from components.workspace.root import open_workspace
    from flows.prefect_home import START

    echo("")
    table(
        ["batch", "task", "what happened", "why"],
        [(row["name"], row["task"], row["what"], row["why"]) for row in result["told"]],
        title=f"The demo, in {result['seconds']} seconds",
    )
    root = Path(result["root"])
    shown = root.relative_to(Path.cwd()) if root.is_relative_to(Path.cwd()) else root
    echo(f"Version {result['champion']} is champion.", "")
    echo(f"Reports, one page per batch:  {shown / 'mlruns' / 'reports'}")
    for name, page in result["reports"].items():
        echo(f"  {name:<26}{Path(page).name}")
    command = f"ratchet --root {shown}"
    echo(
        "",
        "Look around (after `source .venv/bin/activate`):",
        f"  {command} status",
        f"  {command} version explain {result['rejected'] or 1}  # why the poison was rejected",
        f"  {command} history",
        f"  {command} audit verify",
        f'  {command} predict "what a lovely day"',
        "  DO_NOT_TRACK=true mlflow ui --backend-store-uri "
        f"sqlite:///{shown / 'mlruns' / 'mlflow.db'}"
        "    # versions, runs, reports, at",
        f"      http://127.0.0.1:5000/{open_workspace(root).registry.runs_page()}",
        f"  PREFECT_HOME={shown / 'mlruns' / 'prefect'} {START}"
        "    # the flow runs of this demo, at http://127.0.0.1:4200",
    )
