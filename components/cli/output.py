"""Printing facts: as tables for people, as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from components.pipeline.workspace import Progress, no_progress

PIPE_COLUMNS = 118
"""How wide tables are where no terminal says."""

COLOURS = {
    "promoted": "green",
    "champion": "green",
    "former": "green",
    "held": "yellow",
    "queued": "yellow",
    "superseded": "yellow",
    "rejected": "red",
    "refused": "red",
    "quarantined": "red",
    "barred": "red",
}


def facts(as_json: bool, value: Any, show: Callable[[], None]) -> None:
    """Print `value` as JSON (pure ASCII, so any pipe takes it), or let `show` print it."""
    if as_json:
        click.echo(json.dumps(value, indent=2, allow_nan=False, default=str))
    else:
        show()


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """Print a table; words that are statuses get their colour."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        cells = ["" if cell is None else str(cell) for cell in row]
        drawn.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in cells))
    Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(drawn)


def status(word: str) -> str:
    """Return a status in its colour."""
    return click.style(word, fg=COLOURS.get(word), bold=True)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yield a callback that draws one bar per kind of long work; silent without a terminal."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("{task.description:>10}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        shown: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in shown:
                shown[what] = bars.add_task(what, total=total)
            bars.update(shown[what], completed=done, total=total)
            if done >= total:
                bars.remove_task(shown.pop(what))

        yield update
