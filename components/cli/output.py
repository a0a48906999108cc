"""Printing facts: as lines and tables for people, as JSON for programs.

Concept: file names, labels, texts and reasons come from whoever sends data. Everything that
the command prints goes through here, where control characters are made visible; our own
colours are put on afterwards. A line of ours is one argument: a newline in a value is one more
character to make visible, so no value can pass for a line of its own.

Promise: no byte from data moves the cursor, changes the terminal or reverses a text. Tests
hold that no other module of this room prints.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from components.shown_text import plain
from components.workspace.root import STEP, Progress, no_progress

QUIET = "ratchet.quiet"
"""Where the command's context holds that `--quiet` was given."""

PIPE_COLUMNS = 118
"""How wide tables are where no terminal says."""

COLOURS = {
    "promoted": "green",
    "champion": "green",
    "former": "green",
    "held": "yellow",
    "pooled": "yellow",
    "queued": "yellow",
    "superseded": "yellow",
    "rejected": "red",
    "refused": "red",
    "quarantined": "red",
    "barred": "red",
}


@dataclass(frozen=True, slots=True)
class Styled:
    """Words in a colour of ours; formatted into other text they lose it."""

    text: str
    colour: str | None = None

    def __str__(self) -> str:
        return self.text


Line = str | Styled | tuple[str | Styled, ...]
"""One line: text, or pieces of text of which some have a colour."""


def echo(*lines: Line, err: bool = False) -> None:
    """Print lines, one an argument; tabs stay, every other control character is made visible."""
    for line in lines:
        pieces = line if isinstance(line, tuple) else (line,)
        click.echo("".join(map(_drawn, pieces)), err=err)


def redraw(text: str, hint: str, done: bool = False) -> None:
    """Print text over the line that the cursor is in, a hint behind it; `done` ends the line."""
    width = max(shutil.get_terminal_size().columns - 1, 20)
    shown = plain(text)[-width:]
    beside = plain(hint)[: width - len(shown)]
    back = f"\x1b[{len(beside)}D" if beside else ""
    click.echo(f"\r\x1b[K{shown}{click.style(beside, dim=True)}{back}", nl=done)


def confirmed(question: str) -> bool:
    """Ask a question in a terminal; whether the answer is yes."""
    return click.confirm(question, err=True)


def clear() -> None:
    """Clear the terminal; does nothing where there is none."""
    click.clear()


def paragraphs(text: str, mark: str) -> None:
    """Print a text of data, wrapped; each line begins with `mark`, so none passes for ours."""
    width = max(min(shutil.get_terminal_size().columns, PIPE_COLUMNS) - len(mark), 20)
    for paragraph in re.split(r"\r?\n", text):
        for line in textwrap.wrap(plain(paragraph), width) or [""]:
            click.echo(f"{mark}{line}".rstrip())


def facts(as_json: bool, value: Any, show: Callable[[], None]) -> None:
    """Print `value` as JSON, or let `show` print it."""
    if as_json:
        echo_json(value, indent=2)
    else:
        show()


def echo_json(value: Any, indent: int | None = None, err: bool = False) -> None:
    """Print JSON: printable ASCII alone, so any pipe and any terminal takes it."""
    text = json.dumps(value, indent=indent, allow_nan=False, default=str)
    click.echo(text.replace("\x7f", "\\u007f"), err=err)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """Print a table; words that are statuses get their colour, a tuple's texts a line each."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        cells = [_lines(cell) if isinstance(cell, tuple) else _lines((cell,)) for cell in row]
        drawn.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in cells))
    Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(drawn)


def _lines(cell: tuple[Any, ...]) -> str:
    return "\n".join(plain(line) for line in cell if line not in (None, ""))


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: 1 exam, 2 exams."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def status(word: str) -> Styled:
    """Return a status in its colour."""
    return Styled(word, COLOURS.get(word))


@contextmanager
def progress_bar(phases: bool = True) -> Iterator[Progress]:
    """Yield a callback that draws one bar per kind of long work.

    Without a terminal it says each phase in a line on stderr, unless `--json` or `--quiet` was
    given, or the command has words of its own (`phases`).
    """
    if not sys.stderr.isatty():
        yield _say_phases() if phases and not _is_quiet() else no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("{task.description:>10}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        shown: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if total == STEP:
                return  # the bars of the work in it say more
            if what not in shown:
                shown[what] = bars.add_task(plain(what), total=total)
            bars.update(shown[what], completed=done, total=total)
            if done >= total:
                bars.remove_task(shown.pop(what))

        yield update


def warn_at_once(told: list[str]) -> Callable[[str], None]:
    """Return a callback that prints a warning on stderr and adds it to `told`.

    It does neither where `--json` or `--quiet` was given: then the result has it.
    """

    def warn(warning: str) -> None:
        if not _is_quiet():
            told.append(warning)
            echo((Styled("warning:", "yellow"), f" {warning}"), err=True)

    return warn


def _is_quiet() -> bool:
    context = click.get_current_context(silent=True)
    asked = context.params if context else {}
    return bool(asked.get("as_json") or (context and context.meta.get(QUIET)))


def _say_phases() -> Progress:
    """Return a callback that says each phase once, when it begins.

    Counted work inside a step of a batch is left out: the step was said.
    """
    last, stepped = "", False

    def say(what: str, done: int, total: int) -> None:
        nonlocal last, stepped
        inside = stepped and total != STEP and what != "waiting"
        stepped = stepped or total == STEP
        if what != last and not inside and (done < total or total == STEP):
            last = what
            echo(f"{what} ...", err=True)

    return say


def _drawn(piece: str | Styled) -> str:
    text = "\t".join(map(plain, str(piece).split("\t")))
    return click.style(text, fg=piece.colour, bold=True) if isinstance(piece, Styled) else text
