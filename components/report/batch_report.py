"""The report of one batch: what was decided, why, and everything it rests on.

Concept: `ReportData` holds plain values that the pipeline fills in; the template lays them
out from the decision down to the digests.

Promise: one HTML text without scripts, fonts or links to elsewhere: it opens from a mail, in
MLflow's viewer and on a phone. All text is escaped; the same values give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.report.intervals import Axis, Interval, common_axis, interval
from components.report.verdicts import named, worth_showing

if TYPE_CHECKING:
    from jinja2 import Template

_SPOKEN = {
    "promote": ("Promote",),
    "probation": ("Promote on probation",),
    "hold": ("Hold for a person", "Held for approval"),
    "reject": ("Reject",),
}
_GROUPS = {
    "forgetting": (
        "Earlier tasks, against the champion",
        "Does the candidate still do what the champion does?",
        "no change",
    ),
    "anchor": (
        "Earlier tasks, against their anchors",
        "Have small losses added up since the task was at its best?",
        "no change",
    ),
    "competition": (
        "What new labels take from known ones",
        "How many items that are right among the known labels go to new ones?",
        "none",
    ),
    "balance": (
        "All labels together",
        "Is the accuracy over all labels, each counted alike, better with the new ones?",
        "no change",
    ),
    "new": (
        "What is new in the batch",
        "Was it learned? Compared with guessing, on rows that the candidate has never seen.",
        "as good as guessing",
    ),
    "own": (
        "The batch's own rows of earlier tasks",
        "Is the candidate as good on them as the champion?",
        "no change",
    ),
    "floors": (
        "Floors",
        "Is each task above its required minimum?",
        "the floor",
    ),
    "classes": (
        "Labels, one by one",
        "Does any single label get worse, even if the whole exam does not?",
        "no change",
    ),
    "slices": (
        "Slices, one by one",
        "Does any group of items get worse, even if the whole exam does not?",
        "no change",
    ),
    "negative_flips": (
        "Answers that went wrong",
        "How many were right before and are wrong now, regardless of gains elsewhere?",
        "none",
    ),
    "calibration": (
        "Calibration",
        "Are the candidate's probabilities as reliable as the champion's?",
        "no change",
    ),
    "behaviour": ("Behaviour cases", "Do the answers that must never change still hold?", ""),
    "size": ("Size", "Is the adapter small enough to ship?", ""),
    "latency": ("Latency", "Does an answer take longer than the champion's?", ""),
    "drift": ("Drift", "Does the batch look like the earlier data?", ""),
    "examination": ("Not examined", "What could not be examined is never promoted.", ""),
}
_FINDING = ("name", "drifted", "policy", "effect", "threshold", "adjusted_p", "n", "sentence")
_APART_PERCENT = 38
"""Two labels side by side need this much of an axis as wide as a phone."""

_DASH = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """Accuracy over time: `values[step][task]` in [0, 1], None where it was not measured.

    `steps` are versions in the order of their making, the candidate last; `left_out` counts
    the earlier ones.
    """

    steps: Sequence[str]
    tasks: Sequence[str]
    values: Sequence[Sequence[float | None]]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that the page shows.

    `action`: promote, hold, reject, or another word, which is shown as it is. `verdicts`:
    `Verdict.to_json` each; `drift`: the fields of `drift.Finding` each; `words`: those that
    moved, by how. `counts`, `metrics` and `provenance` are shown in their
    order; `quarantined` maps a reason to rows, `replayed` a task to rows. Numbers that are
    None are shown as missing. `next_command` is what the reader types next, or empty.
    """

    action: str
    headline: str
    batch: str
    generated_at: str
    reasons: Sequence[str] = ()
    model_name: str = ""
    source: str = ""
    version: int | None = None
    parent_version: int | None = None
    verdicts: Sequence[Mapping[str, Any]] = ()
    matrix: Matrix | None = None
    drift: Sequence[Mapping[str, Any]] = ()
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    replayed: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float | str | None] = field(default_factory=dict)
    provenance: Mapping[str, str | None] = field(default_factory=dict)
    next_command: str = ""


def render(data: ReportData) -> str:
    """Return the report as one self-contained HTML page."""
    badge, headline = _spoken(data)
    return _template().render(
        data=data,
        badge=badge,
        headline=headline,
        reasons=[reason for reason in data.reasons if reason not in data.headline],
        groups=_groups(data),
        drift=[_finding(each) for each in data.drift],
        heat=None if data.matrix is None else _heat(data.matrix),
        provenance={"batch": data.batch, **data.provenance},
        quarantined=_bars(data.quarantined),
        replayed=_bars(data.replayed),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "points": points}
    return environment.get_template("batch_report.html.j2")


def _spoken(data: ReportData) -> tuple[str, str]:
    """Split the headline: the action's own words make the badge, the rest the title."""
    start, colon, rest = data.headline.partition(": ")
    known = _SPOKEN.get(data.action, (data.action.capitalize(),))
    return (start, rest) if colon and start in known else (known[0], data.headline)


def _groups(data: ReportData) -> list[dict[str, Any]]:
    """Return the checks by kind, each kind with its common axis where anything is drawn."""
    groups = []
    for kind, (title, question, origin) in _GROUPS.items():
        rows = [verdict for verdict in data.verdicts if _kind(verdict) == kind]
        if not rows or (kind == "drift" and data.drift):  # the findings say more
            continue
        rows, passed = worth_showing(rows)
        drawn = [interval(row) for row in rows]
        axis = common_axis(drawn) if any(each.effect is not None for each in drawn) else None
        shown = [_row(row, each, axis) for row, each in zip(rows, drawn, strict=True)]
        for row in [row for row in shown if row["bar"]][:1]:  # one legend is enough
            row["ticks"] = _ticks(common_axis(drawn), drawn, origin)
        groups.append({"title": title, "question": question, "rows": shown, "passed": passed})
    return groups


def _kind(verdict: Mapping[str, Any]) -> str:
    """Return the group of a verdict: what was learned is held to a floor, or paired."""
    check = str(verdict.get("check"))
    if check == "anchor_competition":
        return "competition"
    if check != "learned":
        return check if check in _GROUPS else "examination"
    return "new" if verdict.get("right_to_wrong") is None else "own"


def _row(verdict: Mapping[str, Any], each: Interval, axis: Axis | None) -> dict[str, Any]:
    outcome = str(verdict["outcome"])
    noted = outcome != "PASS" and verdict.get("consequence") in {"note", "promote"}
    return {
        "name": named(verdict),
        "outcome": outcome,
        "noted": noted,
        "sentence": verdict.get("sentence", ""),
        "change": points(each.effect),
        "range": f"{points(each.low)} to {points(each.high)}" if each.low is not None else "",
        "detectable": None if _kind(verdict) == "new" else verdict.get("detectable_points"),
        "ticks": [],
        "bar": None if axis is None or each.effect is None else _bar(each, axis),
    }


def _bar(each: Interval, axis: Axis) -> dict[str, float]:
    """Return the places of an interval's parts on the axis, in percent of its width."""
    effect = each.effect if each.effect is not None else 0.0
    low = each.low if each.low is not None else effect
    high = each.high if each.high is not None else effect
    limit = each.limit if each.limit is not None else axis.low
    return {
        "zero": axis.percent(0.0),
        "low": axis.percent(low),
        "width": round(axis.percent(high) - axis.percent(low), 2),
        "effect": axis.percent(effect),
        "limit": axis.percent(limit),
    }


def _ticks(axis: Axis, drawn: Sequence[Interval], origin: str) -> list[dict[str, Any]]:
    """Return what is written under the axis: the origin, and the margin where all share one."""
    ticks = [_tick(axis, 0.0, origin, 1)]
    limits = {round(each.limit, 6) for each in drawn if each.limit is not None}
    if len(limits) == 1 and not limits & {0.0}:
        limit = limits.pop()
        near = abs(axis.percent(limit) - axis.percent(0.0)) < _APART_PERCENT
        name = "margin" if limit < 0 else "floor"
        ticks.append(_tick(axis, limit, f"{name} {points(limit)}", 2 if near else 1))
    return ticks


def _tick(axis: Axis, value: float, text: str, line: int) -> dict[str, Any]:
    at = axis.percent(value)
    anchor = "start" if at < 25 else "end" if at > 75 else "middle"
    return {"at": at, "text": text, "anchor": anchor, "line": line}


def _heat(matrix: Matrix) -> list[dict[str, Any]]:
    """Return the rows of the accuracy table, each cell with its text and its shade, 0 to 1."""
    known = [value for row in matrix.values for value in row if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    span = max(high - low, 0.1)

    def cell(value: float | None) -> dict[str, Any]:
        if value is None:
            return {"text": _DASH, "shade": None}
        shade = 0.08 + 0.62 * (value - low) / span
        return {"text": f"{100 * value:.1f}", "shade": round(shade, 3)}

    return [
        {"step": step, "cells": [cell(value) for value in row]}
        for step, row in zip(matrix.steps, matrix.values, strict=True)
    ]


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    """Return one drift finding: its numbers, and what moved where it drifted."""
    shown = {name: finding.get(name) for name in _FINDING}
    drifted, p = bool(finding.get("drifted")), shown["adjusted_p"]
    return {
        **shown,
        "adjusted_p": "< 0.001" if p is not None and p < 0.001 else p,
        "outcome": "not examined"
        if shown["effect"] is None
        else "drift"
        if drifted
        else "no drift",
        "classes": [_share(each) for each in finding.get("classes", ())] if drifted else [],
        "examples": [each[:12] for each in finding.get("examples", ())] if drifted else [],
    }


def _share(shift: Mapping[str, Any]) -> dict[str, str]:
    shares = {side: shift.get(side) for side in ("before", "after")}
    texts = {side: _DASH if x is None else f"{100 * x:.1f} %" for side, x in shares.items()}
    return {"name": str(shift["name"]), **texts}


def _bars(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    most = max(counts.values(), default=0)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [
        {"name": name, "count": count, "width": round(100 * count / most, 1) if most else 0}
        for name, count in ordered
    ]


def number(value: object) -> str:
    """Return a number for reading: thousands apart, three decimals, a dash for a missing one."""
    if value is None:
        return _DASH
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
    return text.replace("-", _MINUS)


def points(value: float | None) -> str:
    """Return a change in points with its sign, one decimal."""
    if value is None:
        return _DASH
    text = f"{value:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text.replace("-", _MINUS)
