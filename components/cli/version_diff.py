"""The command `ratchet version diff`: two versions on the same items, and what they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from components.cli.arguments import VersionName, Words
from components.cli.audit import version
from components.cli.options import Context, json_option, pass_root, quiet_option
from components.cli.output import Styled, counted, echo, facts, progress_bar, table

if TYPE_CHECKING:
    from components.operations.version_diff import Change, Side, VersionDiff

SHOWN_GROUPS = 10
COLOURS = {"better": "green", "worse": "red"}


def register(group: click.Group) -> None:
    """Add this module's command to `ratchet version`."""
    version.add_command(diff)


@click.command()
@click.argument("names", metavar="[A] [B]", nargs=-1, type=VersionName())
@click.option(
    "--since",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    help="Take as A the version that was champion at the end of this day (UTC).",
)
@click.option("--task", type=Words(), help="Look at this task alone.  [default: all tasks]")
@click.option("--all", "show_all", is_flag=True, help="Show every label, not those that changed.")
@quiet_option
@json_option
@pass_root
def diff(
    context: Context,
    names: Sequence[str],
    since: datetime | None,
    task: str | None,
    show_all: bool,
    as_json: bool,
) -> None:
    """Say whether version B is better than version A, for whom, and what lies between them.

    A and B are numbers, `champion` or `candidate`; B is the champion if it is left out. Both answer
    the exams as they stand now: accuracy by task, label and slice on the same items, with the
    paired difference and its interval. Then labels gained, batches between, settings and parts.
    """
    from components.operations.same_items import champion_on, named
    from components.operations.version_diff import compare

    wanted = 2 if since is None else 1
    if len(names) > wanted or (since is None and not names):
        raise click.UsageError("Name versions A and B, or A alone, or --since DATE and B.")
    with progress_bar() as progress:
        ws = context.open(progress)
        first = champion_on(ws, since.date()) if since else named(ws, names[0])
        second = named(ws, names[-1] if len(names) == wanted else "champion")
        found = compare(ws, first, second, task)
    facts(as_json, asdict(found), lambda: _show(found, show_all))


def _show(found: VersionDiff, show_all: bool) -> None:
    first, second = found.sides
    if first.version == second.version:
        echo(f"Both are version {first.version} ({first.status}): nothing differs.")
        return
    echo(f"A: {_described(first)}", f"B: {_described(second)}")
    exams = ", ".join(f"{exam} ({items:,})" for exam, items in found.exams.items())
    echo(f"On the same items: {exams}, as the exams stand now; snapshot {found.snapshot[:12]}.")
    for why, items in found.left_out.items():
        echo(f"  left out: {counted(items, 'item')} ({why})")
    echo("", *(_sentence(each, first, second) for each in found.tasks))
    rows = [(each.task, *_cells(each)) for each in found.tasks]
    table(["task", *_heads(first, second)], rows)
    compared, answered = sum(each.items for each in found.tasks), sum(found.exams.values())
    if compared < answered:
        echo(
            f"Compared on the {compared:,} items whose label both know; the labels of the other "
            f"{answered - compared:,} are listed below."
        )
    for kind, groups in found.groups.items():
        _show_groups(kind, groups, found, show_all)
    _show_labels(found)
    _show_between(found)
    _show_settings(found)
    echo("", _next(found))


def _next(found: VersionDiff) -> str:
    """Return what to do: `ratchet errors` where the second version has any."""
    number = found.sides[1].version
    seen = [(each.items, each.right[1]) for each in found.tasks]
    seen += [(each.items, each.right) for each in found.new_labels if each.of == number]
    wrong = sum(items - right for items, right in seen)
    if wrong:
        return f"next: ratchet errors {number} (the {counted(wrong, 'item')} that it gets wrong)"
    return f"Version {number} gets none of these items wrong; harder ones would tell more."


def _described(side: Side) -> str:
    since = f", champion since {side.since[:10]}" if side.since else ", never champion"
    return (
        f"version {side.version} ({side.status}{since}): {side.method} with {side.strategy}, "
        f"{side.bytes / 1e6:.1f} MB, bundle {side.bundle[:12]}"
    )


def _sentence(each: Change, first: Side, second: Side) -> tuple[str | Styled, ...]:
    """Say of a task whether B is better than A."""
    span = f"{_signed(each.points)} points, 95 % between {_signed(each.low)} and "
    span += _signed(each.high)
    if each.shown is None:
        return (f"{each.task}: no difference shown ({span}).",)
    word = Styled(each.shown, COLOURS[each.shown])
    return (f"{each.task}: version {second.version} is ", word, f" ({span}).")


def _heads(first: Side, second: Side) -> list[str]:
    sides = (f"v{first.version} %", f"v{second.version} %")
    return ["items", *sides, "points", "95 %", "broke", "fixed"]


def _cells(each: Change) -> tuple[str | int, ...]:
    return (
        f"{each.items:,}",
        *(f"{100 * right / each.items:.1f}" for right in each.right),
        _signed(each.points),
        f"{_signed(each.low)}…{_signed(each.high)}",
        each.broke,
        each.fixed,
    )


def _signed(points: float) -> str:
    return f"{round(points, 1) + 0.0:+.1f}"  # not -0.0


def _show_groups(kind: str, groups: Sequence[Change], found: VersionDiff, show_all: bool) -> None:
    changed = [each for each in groups if each.broke or each.fixed]
    ordered = sorted(changed, key=lambda each: (each.shown is None, -abs(each.points)))
    shown = groups if show_all else ordered[:SHOWN_GROUPS]
    if not groups:
        return
    if not shown:
        echo(f"By {kind}: the same items are right in both versions.")
        return
    many = len({each.task for each in groups}) > 1
    words = [
        f"{word}: {', '.join(own)}"
        for word in ("worse", "better")
        if (own := [_named(each, many) for each in groups if each.shown == word])
    ]
    echo("", f"By {kind}: {'; '.join(words) or 'none shown better or worse'}.")
    rows = [(*([each.task] if many else []), each.group, *_cells(each)) for each in shown]
    table([*(["task"] if many else []), kind, *_heads(*found.sides)], rows)
    if len(shown) < len(groups):
        echo(
            f"{counted(len(groups), kind)}, {len(changed):,} of them changed: --all shows them all."
        )


def _named(each: Change, many: bool) -> str:
    return f"{each.group} ({each.task})" if many else each.group


def _show_labels(found: VersionDiff) -> None:
    for what, labels, side in (
        ("gained", found.labels_gained, found.sides[1]),
        ("lost", found.labels_lost, found.sides[0]),
    ):
        if labels:
            echo(
                "", f"Labels {what}, which only version {side.version} knows: {', '.join(labels)}."
            )
            rows = [
                (
                    each.task,
                    each.label,
                    f"{each.items:,}",
                    f"{100 * each.right / each.items:.1f} %",
                    f"{each.low:.1f} to {each.high:.1f} %",
                )
                for each in found.new_labels
                if each.of == side.version
            ]
            if rows:
                heads = ["task", "label", "items", f"version {side.version}", "95 % interval"]
                table(heads, rows)


def _show_between(found: VersionDiff) -> None:
    common = f"version {found.common}" if found.common else "none"
    echo("", f"Newest version that both were trained from: {common}.")
    for side, steps in zip(found.sides, found.steps, strict=True):
        if steps and side.version != found.common:
            rows = [
                (
                    each.version,
                    each.status,
                    (each.batch or each.origin)[:12],
                    each.source,
                    each.rows,
                    (each.since or "never")[:16].replace("T", " "),
                )
                for each in steps
            ]
            heads = ["version", "status", "batch", "file", "rows trained", "champion since"]
            table(heads, rows, f"What version {side.version} learned beyond it")


def _show_settings(found: VersionDiff) -> None:
    if found.settings:
        rows = [
            (name, *("·" if value is None else str(value) for value in values))
            for name, values in found.settings.items()
        ]
        first, second = found.sides
        table(["setting", f"version {first.version}", f"version {second.version}"], rows)
    else:
        echo("Settings: the same.")
    parts = ", ".join(
        name if what == "differs" else f"{name} ({what})" for name, what in found.parts.items()
    )
    echo(f"Files that differ: {parts or 'none'}.")
