"""Commands about the gate itself: `gate plan` and `gate replay`."""

from __future__ import annotations

from typing import Any

import click

from components.cli.arguments import VERSION, Number
from components.cli.options import Context, json_option, pass_root
from components.cli.output import echo, facts, table


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(gate)


@click.group()
def gate() -> None:
    """What the gate can tell, and what it decided, decided again."""


@gate.command()
@click.option(
    "--margin",
    type=Number(0, 100, min_open=True),
    help="Try another margin, in points.  [default: gate.margin_points]",
)
@click.option(
    "--churn",
    type=Number(0, 1, min_open=True),
    help="Share of answers that an update changes.  [default: what was observed]",
)
@json_option
@pass_root
def plan(context: Context, margin: float | None, churn: float | None, as_json: bool) -> None:
    """Say which losses the exams can notice, and what would become of updates.

    An exam that is too small holds good updates for a person. This says how many items each
    one needs so that 4 of 5 harmless updates are promoted.
    """
    from components.operations.planning import plan as find

    value = find(context.open(), margin, churn)
    facts(as_json, value, lambda: _show_plan(value))


@gate.command()
@click.argument("number", type=VERSION)
@json_option
@pass_root
def replay(context: Context, number: int, as_json: bool) -> None:
    """Decide on version NUMBER again, from its evidence alone.

    Ends with 0 when every verdict comes out as recorded, and with 4 when one does not.
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
    columns = ["exam", "items", "answers an update changes", "smallest loss noticed (points)"]
    table([*columns, "items needed", "decisions / refusals"], rows)
    echo(
        f"Answers changed: {value['churn_from']}. Noticed: in 4 cases of 5. Items needed: so that 4"
        f" of 5 harmless updates pass all exams at once, with a margin of"
        f" {value['margin_points']:g} points.",
        "",
    )
    shares = [
        (
            each["update"],
            f"{each['loss_points']:g}",
            *(f"{100 * each[name]:.0f} %" for name in ("promoted", "held", "rejected")),
        )
        for each in value["updates"]
    ]
    table(["update", "points lost on one task", "promoted", "held", "rejected"], shares)
    echo("By the exams against champion and anchor alone, drift and further checks left out.")
    if value["approval"] == "always":
        echo("`gate.approval` is `always`: what would be promoted waits for a person.")
    worn = [each["exam"] for each in value["exams"] if each["worn"]]
    if worn:
        echo(f"Worn, better followed by a fresh exam: {', '.join(worn)}.")
    lacking = [each for each in value["exams"] if each["items_needed"] > each["items"]]
    if lacking:
        echo("Hold out more with `ratchet holdout add FILE --task NAME --fill`, or widen")
        echo("`gate.margin_points`; try one with `ratchet gate plan --margin POINTS`.")


def _needed(each: dict[str, Any]) -> str:
    more = each["items_needed"] - each["items"]
    return f"{each['items_needed']:,}" + (f" ({more:,} more)" if more > 0 else "")


def _show_replay(value: dict[str, Any]) -> None:
    echo(value["headline"])
    count = len(value["verdicts"])
    echo(f"Decided again from evidence {value['evidence']}: all {count} verdicts hold.")
