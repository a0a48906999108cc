"""What `version explain` prints: the verdict, the cause, what to do; everything else if asked.

Concept: the first screen answers; `--full` adds every comparison, drift and digest. Numbers are
changes of accuracy in points, as on the page: a loss has a minus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from components.cli.output import COLOURS, Styled, echo, table
from components.evaluation.cause import percent
from components.report.intervals import interval
from components.report.pages import points
from components.report.verdicts import (
    finding_named,
    held_against_guessing,
    in_doubt,
    named,
    noted_only,
    without_action,
    worth_showing,
)
from components.shown_text import shortened

TEXT_CHARS = 100
AT_ONCE = ("forgetting", "anchor", "learned")
"""The checks of whole tasks: each has its line."""

DECIDED, MOST_DECIDED = ("reject", "hold"), 10
"""The consequences of what stopped a version, the gravest first; how many have a line."""

IN_FORCE = ("champion", "former")
"""Statuses of what got in: of the causes of a refusal only labels that look wrong are its own."""

Value = Mapping[str, Any]


def show_explanation(value: Value, full: bool) -> None:
    """Print why a version is what it is: in short, or with all that it rests on."""
    _show_head(value)
    _show_why(value)
    if value["next"]:
        echo("", "What to do now:", *(f"  - {step}" for step in value["next"]))
    _show_later(value["later"])
    if full:
        _show_everything(value)
    else:
        _show_checks(value)
    echo("", f"report: {value['report']}")


def _show_head(value: Value) -> None:
    title, parent = value["title"], value["parent"]
    echo(Styled(title, COLOURS.get(value["status"])))
    if not value["batch"]:
        echo(f"  origin: {value['origin']}, not a batch; trained from version {parent}")
        return
    made = f"trained from version {parent}" if parent else "the first version"
    echo(f"  {value['source']}, batch {value['batch'][:12]}; {made}")
    for each in value["pooled"]:
        echo(f"  pooled: batch {each['batch'][:12]} ({each['source']})")


def _show_why(value: Value) -> None:
    echo("", f"Why: {value['why'] or without_action(value['headline'])}")
    got_in = value["status"] in IN_FORCE
    what = "About its labels: " if got_in else "Likely cause: "
    for cause in value["doubts" if got_in else "causes"]:
        echo((Styled(what, "yellow"), cause))
        for row in value["rows"].get(cause, ()):
            echo(f"  {_answered(row)}, ratchet item {row['item'][:12]}")
            echo(f"    {shortened(row['text'], TEXT_CHARS)}")
    for warning in value["warnings"]:
        echo((Styled("About its data: ", "yellow"), warning))


def _answered(row: Value) -> str:
    said = f"labelled {row['label']}"
    if row["champion"] is not None:
        said += f"; the champion answers {row['champion']}, {percent(row['sure'])} sure"
    return said


def _show_later(later: Sequence[Value]) -> None:
    if later:
        echo("", "Later:")
    for each in later:
        echo(f"  {each['time'][:19]}  {each['what']}")
        for found in each["verdicts"]:
            echo(f"    {_line(found)}")


def _show_checks(value: Value) -> None:
    """Print what decided, a line a task, and how the other checks came out."""
    verdicts = [each for each in value["verdicts"] if each["check"] != "drift"]
    decided = [each for what in DECIDED for each in verdicts if each["consequence"] == what]
    whole = [each for each in verdicts if each["check"] in AT_ONCE and each not in decided]
    learned = [each for each in whole if held_against_guessing(each) and each["outcome"] == "PASS"]
    when = "when it was examined, " if value["status"] == "barred" else ""
    echo("", f"Checks, {when}change of accuracy in points:")
    shown = [*decided[:MOST_DECIDED], *(each for each in whole if each not in learned)]
    for each in shown:
        echo(("  ", _outcome(each), f" {_line(each)}{_doubt(each, value['doubted'])}"))
    if learned:
        _show_learned(learned, value["doubted"])
    rest = Counter(
        f"{each['outcome']}{', noted only' if noted_only(each) else ''}"
        for each in verdicts
        if each not in shown and each not in learned
    )
    more = "; ".join(f"{count:,} {outcome}" for outcome, count in sorted(rest.items()))
    found = [finding_named(each) for each in value["drift"] if each["drifted"]]
    if found:
        echo(f"  drift in: {', '.join(found)}")
    if rest:
        echo(f"  {rest.total():,} more: {more}")
    echo(f"  all of them: ratchet version explain {value['version']} --full")


def _show_learned(passed: Sequence[Value], doubted: Collection[str]) -> None:
    """Print what was learned: of several that passed, the one that is least sure stands for all."""
    least = max(passed, key=lambda each: each["upper_points"] or 0.0)
    echo(("  ", _outcome(least), f" {_line(least)}{_doubt(least, doubted)}"))
    if len(passed) > 1:
        echo(f"  {'':<12} and {len(passed) - 1:,} more learned, none of them less sure")


def _outcome(verdict: Value) -> Styled:
    colours = {"FAIL": "red", "MISSING": "red", "INCONCLUSIVE": "yellow", "PASS": "green"}
    outcome = str(verdict["outcome"])
    return Styled(f"{outcome:<12}", colours.get(outcome))


def _line(verdict: Value) -> str:
    """Return a verdict's change, its interval, its margin and its items."""
    new = held_against_guessing(verdict)
    against = {"anchor": ", against its anchor", "learned": ", the batch's own rows"}
    what = f"{named(verdict)}{against.get(verdict['check'], '')}{', above guessing' if new else ''}"
    each, last = interval(verdict), ", noted only" if noted_only(verdict) else ""
    if each.effect is None:
        return f"{what}: {verdict['sentence']}{last}"
    said = f"{what}: {points(each.effect)} ({points(each.low)} to {points(each.high)})"
    if each.limit or not new:
        said += f", {'required' if new else 'margin'} {points(each.limit)}"
    return f"{said}, {verdict['n']:,} item{'s' * (verdict['n'] != 1)}{last}"


def _doubt(verdict: Value, doubted: Collection[str]) -> str:
    said = in_doubt(verdict, doubted)
    return f". {said}" if said else ""


def _show_everything(value: Value) -> None:
    echo("", "Everything that was found:")
    echo(*(f"  - {reason}" for reason in value["reasons"] if reason not in value["headline"]))
    shown, passed = worth_showing([v for v in value["verdicts"] if v["check"] != "drift"])
    columns = "check", "exam", "verdict", "change", "interval", "margin", "items", "worse/better"
    table([*columns, "detectable"], [_row(verdict) for verdict in shown])
    if passed:
        more = "1 more label or slice" if passed == 1 else f"{passed:,} more labels and slices"
        echo(f"{more} passed; --json lists the rest.")
    for doubt in filter(None, {in_doubt(each, value["doubted"]) for each in shown}):
        echo(f"learned: {doubt}")
    _show_drift(value["drift"])
    for name in ("evidence", "bundle", "frozen"):
        echo(f"{name:<8} {value[name]}")


def _show_drift(findings: Sequence[Value]) -> None:
    """Print which drift was found, and what was looked for in vain: no verdict, but a finding."""
    if not findings:
        return
    found = [each for each in findings if each["drifted"]]
    looked = [finding_named(each) for each in findings if not each["drifted"] and each["n"]]
    unasked = [finding_named(each) for each in findings if not each["n"]]
    echo("Drift, beside what the champion was trained on:")
    for each in found:
        echo(f"  found: {finding_named(each)}: {each['sentence'].removeprefix('Drift: ')}")
    if looked:
        echo(f"  none in: {', '.join(looked)}")
    if unasked:
        echo(f"  not examined: {', '.join(unasked)}")


def _row(v: Value) -> list[Any]:
    changes = (v["right_to_wrong"], v["wrong_to_right"])
    changed = "/".join(str(each) for each in changes if each is not None)
    each = interval(v)
    return [
        v["check"],
        named(v),
        v["outcome"],
        _points(each.effect),
        "" if each.low is None else f"{points(each.low)} to {points(each.high)}",
        _points(each.limit),
        v["n"] or "",
        changed,
        "" if v["detectable_points"] is None else f"{v['detectable_points']:.1f}",
    ]


def _points(value: float | None) -> str:
    return "" if value is None else points(value)
