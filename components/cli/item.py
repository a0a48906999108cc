"""The command `ratchet item`: one example, from its file to the versions that answered it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from components.cli.arguments import BatchPrefix
from components.cli.options import Context, json_option, pass_root
from components.cli.output import echo, facts, paragraphs, table
from components.exam_names import origin

if TYPE_CHECKING:
    from components.operations.item_trail import InBatch, InExam, Trail


def register(group: click.Group) -> None:
    """Add this module's command."""
    group.add_command(show_item)


@click.command("item")
@click.argument("digest", type=BatchPrefix("an item"))
@json_option
@pass_root
def show_item(context: Context, digest: str, as_json: bool) -> None:
    """Show where an item came from and where it was used.

    DIGEST may be abbreviated; `ratchet errors` names items. Shows file and line, task and label,
    the versions trained on it, the exams that have it, why it is in quarantine, and the answers
    that are kept. If its text is gone, what is recorded is still shown.
    """
    from components.operations.item_trail import find_trail

    trail = find_trail(context.open(), digest)
    facts(as_json, asdict(trail), lambda: _show(trail))


def _show(trail: Trail) -> None:
    echo(f"Item {trail.item}")
    if trail.gone:
        echo(trail.gone)
    else:
        echo(f"label: {trail.label or 'none'}")
        paragraphs(str(trail.text), "  | ")
    if trail.became:
        echo(f"Its label was corrected: it is item {trail.became[:12]} in the exam now.")
    for was in trail.was:
        echo(f"Its label was corrected: it was item {was[:12]} before.")
    echo("")
    for batch in trail.batches:
        echo(_batch(batch))
    for exam in trail.exams:
        echo(_exam(exam))
    if trail.given:
        echo(f"Labels that people gave it: {', '.join(trail.given)}.")
    for row in trail.quarantine:
        echo(
            f"Refused: line {row.line} of {row.file} (batch {row.batch[:12]}): "
            f"{'; '.join(row.why)} ({row.status})."
        )
    if trail.answers:
        rows = [
            (
                each.version,
                each.status,
                each.label,
                f"{100 * each.confidence:.0f} %",
                "" if each.right is None else "right" if each.right else "wrong",
            )
            for each in trail.answers
        ]
        table(["version", "status", "answered", "sure", ""], rows)
    elif not trail.gone:
        echo("No version's answer to it is kept.")
    _show_next(trail)


def _batch(each: InBatch) -> str:
    line = f"line {each.line} of " if each.line else ""
    place = f"Batch {each.batch[:12]} ({line}{each.file}, task {each.task}), {each.status}: "
    told = ", ".join(f"{number} ({status})" for number, status in each.versions.items())
    if each.side is None:
        return f"{place}it was not split, so no version was trained on it."
    if each.side == "train":
        return f"{place}a training row of version {told}." if told else f"{place}a training row."
    return f"{place}held out when it was split, never trained on."


def _exam(each: InExam) -> str:
    state = " (retired)" if each.retired else "" if each.confirmed else " (unconfirmed)"
    what = "Pool" if origin(each.exam) == "pool" else "Exam"
    return f"{what} {each.exam}{state}, task {each.task}, brought by {each.brought_by}."


def _show_next(trail: Trail) -> None:
    exams = [each.exam for each in trail.exams if not each.retired and trail.label]
    for exam in exams:
        echo(
            "Is its label wrong? Put exactly its text, and its right label, in a FILE: "
            f"ratchet exam relabel {exam} FILE --reason TEXT"
        )
    for row in trail.quarantine:
        if row.status == "kept":
            echo(f"To correct the row: ratchet quarantine export {row.batch[:12]} FILE.csv")
