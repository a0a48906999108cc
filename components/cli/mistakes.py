"""The command `ratchet errors`: what a version gets wrong, and a table of it for correction."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.cli.arguments import VersionName, Words
from components.cli.options import Context, json_option, pass_root, quiet_option
from components.cli.output import counted, echo, facts, progress_bar, table
from components.shown_text import shortened

if TYPE_CHECKING:
    from components.operations.mistakes import Mistake, Mistakes, TaskMistakes

MATRIX_LABELS = 8
"""With more labels a matrix is no longer readable in a terminal: only pairs are shown."""

SHOWN_PAIRS = 10
SHOWN_TEXTS = 5
TEXT_CHARS = 70


def register(group: click.Group) -> None:
    """Add this module's command."""
    group.add_command(errors)


@click.command()
@click.argument("name", metavar="VERSION", type=VersionName())
@click.option("--task", type=Words(), help="Look at this task alone.  [default: all tasks]")
@click.option(
    "--csv",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every item that is wrong now to this new file, for correction.",
)
@click.option("--all", "show_all", is_flag=True, help="Show every text and pair, not the first.")
@quiet_option
@json_option
@pass_root
def errors(
    context: Context,
    name: str,
    task: str | None,
    target: Path | None,
    show_all: bool,
    as_json: bool,
) -> None:
    """Show what VERSION gets wrong, and what broke.

    VERSION is a number, `champion` or `candidate` (the newest held version). It and its parent
    answer the exams as they stand now: an item broke if the parent was right and VERSION is wrong.
    What one of them was trained on is left out.

    If an exam's label is wrong, correct it in the file of --csv and send that to `ratchet exam
    relabel`. These rows are held out: they are never trained on.
    """
    from components.operations.mistakes import find_mistakes, write_mistakes
    from components.operations.same_items import named

    with progress_bar() as progress:
        ws = context.open(progress)
        found = find_mistakes(ws, named(ws, name), task)
    wrong = found.wrong()
    rows = write_mistakes(ws, target, wrong) if target else 0
    value = {**asdict(found), "csv": str(target) if rows else None, "rows": rows}

    def show() -> None:
        _show_head(found)
        for each in found.tasks:
            _show_task(found, each, show_all)
        _show_next(found, wrong, target, rows)

    facts(as_json, value, show)


def _show_head(found: Mistakes) -> None:
    beside = f", beside version {found.parent}, its parent" if found.parent else ", the first one"
    echo(
        f"Version {found.version} ({found.status}){beside}: {counted(found.items, 'item')} of the "
        "exams as they stand now."
    )
    exams = {exam: items for task in found.tasks for exam, items in task.exams.items()}
    sizes = ", ".join(f"{exam} ({items:,})" for exam, items in exams.items())
    echo(
        f"  exams: {sizes}; snapshot {found.snapshot[:12]}; its decision was based on "
        f"{found.decided_on:,} of these items"
    )
    for why, items in found.left_out.items():
        echo(f"  left out: {counted(items, 'item')} ({why})")


def _show_task(found: Mistakes, task: TaskMistakes, show_all: bool) -> None:
    line = f"{task.task}: {task.right:,} of {task.items:,} right ({_share(task.right, task.items)})"
    if task.right_before is not None:
        line += (
            f"; version {found.parent} had {task.right_before:,} "
            f"({_share(task.right_before, task.items)}). {len(task.of('broke')):,} broke, "
            f"{len(task.of('fixed')):,} were fixed."
        )
        if task.new_to_parent:
            line += (
                f" {counted(task.new_to_parent, 'item')} have labels that version {found.parent} "
                f"did not know: {len(task.of('learned')):,} are right now."
            )
    echo("", line)
    _show_matrix(task)
    _show_pairs(found, task, show_all)
    sure = sorted((m for m in task.mistakes if m.confident), key=lambda m: -m.confidence)
    sure = [each for each in sure if each.change != "broke"]
    before = found.parent
    groups: Iterator[tuple[str, Sequence[Mistake]]] = iter(
        (
            (f"Broke: right in version {before}, wrong now", task.of("broke")),
            ("Confidently wrong (90 % or surer), and not above", sure),
            (f"Fixed: wrong in version {before}, right now", task.of("fixed")),
        )
    )
    for title, mistakes in groups:
        _show_texts(title, mistakes, show_all)


def _show_matrix(task: TaskMistakes) -> None:
    labels = sorted({*task.matrix, *(a for row in task.matrix.values() for a in row)})
    if not 1 < len(labels) <= MATRIX_LABELS:
        return
    rows = [
        (label, *(task.matrix.get(label, {}).get(answer) or "·" for answer in labels))
        for label in labels
    ]
    table(["label \\ answered", *labels], rows)


def _show_pairs(found: Mistakes, task: TaskMistakes, show_all: bool) -> None:
    shown = task.confused if show_all else task.confused[:SHOWN_PAIRS]
    if not shown:
        return
    beside = [f"in version {found.parent}"] if found.parent else []
    rows = [
        (
            each.label,
            each.answer,
            each.items,
            f"{_share(each.items, each.of)} of {each.of:,}",
            *([each.before] if found.parent else []),
        )
        for each in shown
    ]
    table(["label", "answered as", "items", "of the label", *beside], rows, "Most confused")
    _show_rest(len(task.confused) - len(shown), "pair")


def _show_texts(title: str, mistakes: Sequence[Mistake], show_all: bool) -> None:
    if not mistakes:
        return
    shown = mistakes if show_all else mistakes[:SHOWN_TEXTS]
    columns = {
        "item": [each.item[:12] for each in shown],
        "label": [each.label for each in shown],
        "answered": [each.answer + " (new label)" * each.new_label for each in shown],
        "sure": [f"{100 * each.confidence:.0f} %" for each in shown],
        "before": [each.before for each in shown],
        "text": [shortened(each.text, TEXT_CHARS) for each in shown],
    }
    if not any(each.wrong for each in shown):
        del columns["answered"]  # it is the label
    if shown[0].before is None or shown[0].change == "broke":
        del columns["before"]  # there is none, or it is the label
    rows = zip(*columns.values(), strict=True)
    table([*columns], [*rows], f"{title}: {len(mistakes):,}")
    _show_rest(len(mistakes) - len(shown), "text")


def _show_rest(more: int, noun: str) -> None:
    if more > 0:
        echo(f"{counted(more, f'more {noun}')}: --all shows them, --json has everything.")


def _show_next(found: Mistakes, wrong: Sequence[Mistake], target: Path | None, rows: int) -> None:
    if not wrong:
        from components.gate.binomial import binomial_bounds

        most = 100 * binomial_bounds(0, found.items, 0.025)[1] if found.items else 100.0
        echo(
            "",
            f"None of {counted(found.items, 'item')} is wrong. The true share of errors may still "
            f"be up to {most:.1f} % (95 % confidence); harder items tell more.",
        )
        return
    exams = sorted({each.exam for each in wrong})
    if target is None:
        echo(
            "",
            "Are labels of the exam wrong? Write all of them to a file: "
            f"ratchet errors {found.version} --csv wrong.csv",
            f"Where an item comes from: ratchet item {wrong[0].item[:12]}",
        )
        if found.batch and found.status not in ("champion", "former"):
            echo(
                "Are labels of its batch wrong? Correct them and run it again: "
                f"ratchet quarantine export {found.batch[:12]} rows.csv --answers"
            )
        return
    file = shlex.quote(str(target))
    echo(
        "",
        f"{counted(rows, 'row')} in {target}. Where a label is wrong, correct it in its column and "
        "keep the rest;",
        "these rows stay held out and are never trained on.",
        *(f"next: ratchet exam relabel {exam} {file} --reason TEXT" for exam in exams),
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"
