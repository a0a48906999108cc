"""The commands `gate plan` and `gate replay`."""

from __future__ import annotations

from shlex import quote
from typing import Any

import click

from components.cli.arguments import VERSION, Number
from components.cli.options import Context, json_option, pass_root
from components.cli.output import echo, facts, table
from components.exam_names import task_of

SHOWN_LABELS = 12
"""Labels that a sentence names."""


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(gate)


@click.group()
def gate() -> None:
    """Plan exam sizes and replay past decisions."""


@gate.command()
@click.option(
    "--margin",
    type=Number(0, 100, min_open=True),
    help="Try another margin, in points.  [default: gate.margin_points]",
)
@click.option(
    "--churn",
    type=Number(0, 1, min_open=True),
    help="Share of answers that an update changes.  [default: as observed]",
)
@json_option
@pass_root
def plan(context: Context, margin: float | None, churn: float | None, as_json: bool) -> None:
    """Show which losses the exams can detect, and predict what happens to updates.

    If an exam is too small, good updates are held for a person. This shows how many items
    each exam needs so that 4 of 5 harmless updates are promoted, and how many labels each
    pool is expected to ask for.
    """
    from components.operations.planning import plan as find

    value = find(context.open(), margin, churn)
    facts(as_json, value, lambda: _show_plan(value))


@gate.command()
@click.argument("number", type=VERSION)
@json_option
@pass_root
def replay(context: Context, number: int, as_json: bool) -> None:
    """Repeat the decision on version NUMBER from its recorded evidence.

    Exits with 0 if every verdict matches the record, and 4 if one does not. The wording of
    the sentences is not compared.
    """
    from components.operations.planning import decide_again

    value = decide_again(context.open(), number)
    facts(as_json, value, lambda: _show_replay(value))


def _show_plan(value: dict[str, Any]) -> None:
    rows = [
        (
            each["exam"],
            f"{each['items']:,}",
            f"{100 * each['churn']:.1f} %",
            f"{each['detectable_points']:.1f}",
            _needed(each),
            f"{each['decisions']} / {each['refusals']}",
        )
        for each in value["exams"]
    ]
    columns = ["exam", "items", "answers an update changes", "smallest detectable loss (points)"]
    if rows:
        table([*columns, "items needed", "decisions / refusals"], rows)
    echo(
        f"Changed answers: {value['churn_from']}. Detectable: in 4 of 5 cases. Items needed: for 4"
        " of 5 harmless updates to pass all exams, with a margin of"
        f" {value['margin_points']:g} points.",
        "",
    )
    _show_pools(value["pools"])
    shares = [
        (
            each["update"],
            f"{each['loss_points']:g}",
            *(f"{100 * each[name]:.0f} %" for name in ("promoted", "held", "rejected")),
        )
        for each in value["updates"]
    ]
    table(["update", "points lost on one task", "promoted", "held", "rejected"], shares)
    echo("Counts only the exams against champion and anchor, not drift or extra checks.")
    if value["approval"] == "always":
        echo("`gate.approval` is `always`: these promotions wait for a person.")
    worn = [each["exam"] for each in value["exams"] if each["worn"]]
    if worn:
        echo(f"Overused: {', '.join(worn)}. Add a new holdout.")
    asked = [each for each in value["exams"] if each["decides"]]
    small = {task_of(each["exam"]) for each in asked if each["items_needed"] > each["items"]}
    for each in asked:
        if each["lacks"]:
            echo(f"{each['exam']} {lacking(each['lacks'])}")
    gaps = {task_of(each["exam"]) for each in asked if each["lacks"]}
    if small or gaps:
        adding = (
            f"  ratchet holdout add FILE --task {quote(task)} --fill"
            for task in sorted(small | gaps)
        )
        echo("To add items:", *adding)
    if small:
        echo("Or raise `gate.margin_points`; try a value with `ratchet gate plan --margin POINTS`.")


def lacking(labels: list[str]) -> str:
    """Return what an exam without these labels can't show."""
    from components.gate.sentences import listed

    names = listed(labels, SHOWN_LABELS)
    return f"has no item of {names}: nothing there shows whether an update loses what it knew"


def _show_pools(pools: list[dict[str, Any]]) -> None:
    rows = [
        (
            pool["exam"],
            f"{pool['inputs']:,}",
            f"{100 * each['churn']:.1f} %",
            f"{each['median']:,}",
            f"{each['nine_in_ten']:,}",
            f"{100 * each['none']:.0f} %",
        )
        for pool in pools
        for each in pool["labels"]
    ]
    if not rows:
        return
    columns = ["pool", "inputs", "answers an update changes", "labels asked (median)"]
    table([*columns, "9 of 10 ask at most", "ask for none"], rows)
    echo(
        "For updates that lose nothing, of inputs without an answer; answers that are there"
        " already are used again.",
        "",
    )


def _needed(each: dict[str, Any]) -> str:
    if not each["decides"]:
        return "none: another decides"
    more = each["items_needed"] - each["items"]
    return f"{each['items_needed']:,}" + (f" ({more:,} more)" if more > 0 else "")


def _show_replay(value: dict[str, Any]) -> None:
    echo(value["headline"])
    count = len(value["verdicts"])
    same = "the verdict matches" if count == 1 else f"all {count} verdicts match"
    echo(f"Replayed from evidence {value['evidence']}: {same}.")
