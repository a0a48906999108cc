"""The page of one examination: what was decided, why, what to do, and all that it rests on.

Concept: `ReportData` is what the examination found, in plain values that never change; `Standing`
is what has become of the version since. The page is written again whenever that changes, so a
version that was rolled back says so on its own page.

Promise: one HTML text without scripts, fonts or addresses elsewhere: it opens from a mail, in
MLflow's viewer and on a phone. All text is escaped; the same values give the same bytes. Accuracies
are percent, changes are points, each fact stands once, and a missing number is shown as missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from components.exam_names import spoken
from components.report.intervals import Axis, Interval, common_axis, interval
from components.report.pages import percent, points, rendered
from components.report.verdicts import (
    finding_named,
    held_against_guessing,
    in_doubt,
    named,
    noted_only,
    without_action,
    worth_showing,
)

_KINDS = {
    "forgetting": "Earlier tasks, against the champion",
    "anchor": "Earlier tasks, against their anchors",
    "competition": "What new labels take from known ones",
    "balance": "All labels, each counted alike",
    "new": "What is new in the batch, against guessing",
    "own": "The batch's own rows of earlier tasks",
    "floors": "Required minimum",
    "classes": "Labels, one by one",
    "slices": "Slices, one by one",
    "negative_flips": "Answers that went wrong",
    "calibration": "Reliability of the probabilities",
    "behaviour": "Answers that must never change",
    "size": "Size of the adapter",
    "latency": "Time of an answer",
    "examination": "Could not be examined",
}
_GRAVITY = {"reject": 0, "hold": 1, "promote": 2, "note": 3}
_CHARTED = ("forgetting", "anchor", "own", "competition", "balance", "classes", "slices")
_MOST_CHARTED = 10
_APART_PERCENT = 38
"""Two labels side by side need this much of an axis as wide as a phone."""

SMALL_MATRIX = 12
"""So many labels make a matrix that a phone can show; of more, the mix-ups are listed."""

MOST_LABELS, MOST_MIX_UPS = 40, 12

TONES = {
    "champion": "good",
    "former": "good",
    "promote": "good",
    "probation": "wait",
    "held": "wait",
    "hold": "wait",
    "rejected": "bad",
    "reject": "bad",
    "barred": "bad",
}
"""Status, or action where there is none yet -> the colour of its badge."""

STATUS_WORDS = {
    "champion": "In force",
    "former": "Was in force",
    "promote": "Passed",
    "probation": "On probation",
    "hold": "Held",
    "reject": "Rejected",
}
"""The badge; every other status stands for itself."""

WORDS = {
    "points": "Percentage points: from 90 % to 87 % is a change of 3 points.",
    "interval": "Where the true change lies: each end is wrong with the gate's chance of error "
    "at most.",
    "margin": "The loss that the settings tolerate (`gate.margin_points`).",
    "champion": "The version that answers now. A candidate is a new version under examination.",
    "anchor": "The version that a task is held against over the long run, so that small losses "
    "can't add up unseen.",
    "exam": "Labelled items that no version was trained on. “(rows of batches)”: held out of them.",
    "PASS, FAIL": "Shown to be within the margin; shown to be beyond it.",
    "INCONCLUSIVE": "Examined, but too few items to tell.",
    "MISSING": "Could not be examined; never promoted.",
    "forgetting": "How much worse a task is than it was at its best, on the same items.",
    "backward transfer": "How much a task changed since it was learned, on the same items.",
    "drift": "The batch differs from what the champion was trained on: large, and unlikely by "
    "chance.",
}


@dataclass(frozen=True, slots=True)
class Matrix:
    """Accuracy over versions, each column on the same items; in [0, 1], None where unknown.

    `steps` are versions in the order of their making, the candidate last; `exams` names the
    columns, `items` and `of` how many of the exam's items all versions of a column answered;
    `left_out` counts the earlier versions.
    """

    steps: Sequence[str]
    exams: Sequence[str]
    items: Sequence[int]
    of: Sequence[int]
    values: Sequence[Sequence[float | None]]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ReportData:
    """What an examination found; it never changes.

    Args:
        action, headline: of the decision; `causes`: what probably went wrong; `rows`: cause ->
            rows of the batch that show it; `doubted`: tasks whose labels look wrong.
        warnings: what its validation warned of.
        examined: when, in ISO 8601. source: the file. tasks: those that the batch holds.
        parent: the version that it was held against.
        verdicts: `Verdict.to_json` each; drift: the fields of `drift.Finding` each; words: those
            that moved, by how.
        confusion: exam -> model -> label -> answer -> items.
        examples: exam, text, label, before, now, and whether it was `fixed`, each.
        counts, quarantined, replayed: name -> rows. measures: name -> text.
        provenance: name -> digest. next_steps: sentences with commands in backquotes.
    """

    action: str
    headline: str
    batch: str
    examined: str
    causes: Sequence[str] = ()
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    doubted: Sequence[str] = ()
    warnings: Sequence[str] = ()
    model_name: str = ""
    source: str = ""
    tasks: Sequence[str] = ()
    parent: int | None = None
    verdicts: Sequence[Mapping[str, Any]] = ()
    matrix: Matrix | None = None
    confusion: Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]] = field(
        default_factory=dict
    )
    examples: Sequence[Mapping[str, Any]] = ()
    drift: Sequence[Mapping[str, Any]] = ()
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    replayed: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str | None] = field(default_factory=dict)
    next_steps: Sequence[str] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ReportData:
        """Return what `asdict` gave."""
        data = cls(**values)
        matrix = values["matrix"]
        return replace(data, matrix=Matrix(**matrix) if matrix else None)


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of a version.

    `status` as in the ledger, None before it was decided; `title`: that in a sentence; `why`:
    its reason where it is another than the decision's; `next_steps`: what to do now, where that is
    not what it was.
    """

    status: str | None = None
    version: int | None = None
    title: str = ""
    why: str = ""
    next_steps: Sequence[str] | None = None
    index: str = ""


EXAMINED = {
    "promote": "The candidate passed: it can ship.",
    "probation": "The candidate can ship on probation.",
    "hold": "The candidate can't ship yet: it waits for you.",
    "reject": "The candidate can't ship.",
}


def render(data: ReportData, standing: Standing | None = None) -> str:
    """Return the page as one self-contained HTML text."""
    standing = standing or Standing()
    word = standing.status or data.action
    steps = data.next_steps if standing.next_steps is None else standing.next_steps
    return rendered(
        "batch_report.html.j2",
        data=data,
        standing=standing,
        word_of_status=STATUS_WORDS.get(word, word.capitalize()),
        tone=TONES.get(word, "calm"),
        title=standing.title or EXAMINED.get(data.action, data.action.capitalize()),
        why=standing.why or without_action(data.headline),
        steps=steps,
        charts=_charts(data.verdicts),
        groups=_groups(data.verdicts, data.doubted),
        heat=None if data.matrix is None else _heat(data.matrix),
        labels=[_labels(exam, told) for exam, told in data.confusion.items() if told],
        drifted=[_finding(each) for each in data.drift if each.get("drifted")],
        still=[finding_named(each) for each in data.drift if not each.get("drifted")],
        provenance={"batch": data.batch, **data.provenance},
        words=WORDS,
    )


def _kind(verdict: Mapping[str, Any]) -> str:
    """Return the group of a verdict: what was learned is held to a floor, or paired."""
    check = str(verdict.get("check"))
    if check == "anchor_competition":
        return "competition"
    if check != "learned":
        return check if check in _KINDS else "examination"
    return "new" if held_against_guessing(verdict) else "own"


def _charts(verdicts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what decides, as intervals on an axis: every task, and all that speaks against it.

    What is new is held against guessing, on an axis of its own: where it decides, or where there
    is nothing to lose yet.
    """
    measured = [row for row in verdicts if row.get("effect_points") is not None]
    rows = [row for row in measured if _kind(row) == "forgetting"]
    told = {row.get("exam"): _gravity(row) for row in rows}
    rows += [
        row
        for row in measured
        if _kind(row) in _CHARTED[1:] and _gravity(row) < min(2, told.get(row.get("exam"), 2))
    ]
    new = [row for row in measured if _kind(row) == "new" and (not rows or _gravity(row) < 2)]
    drawn = [("guessing", new), ("the champion", rows)]
    drawn.sort(key=lambda each: min(map(_gravity, each[1]), default=3))
    return [_chart(origin, own) for origin, own in drawn if own]


def _chart(origin: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows on one axis, the gravest first, then the largest sure loss."""
    ordered = sorted(rows, key=lambda row: (_gravity(row), -(row.get("lower_points") or 0.0)))
    shown = ordered[:_MOST_CHARTED]
    drawn = [interval(row) for row in shown]
    axis = common_axis(drawn)
    limit = "" if len(_limits(drawn)) < 2 else "required" if origin == "guessing" else "margin"
    return {
        "rows": [_row(row, each, axis) for row, each in zip(shown, drawn, strict=True)],
        "limit": limit,
        "origin": origin,
        "more": len(ordered) - len(shown),
        "ticks": _ticks(axis, drawn, "guessing" if origin == "guessing" else "no change"),
    }


def _gravity(verdict: Mapping[str, Any]) -> int:
    return _GRAVITY.get(str(verdict.get("consequence")), 3)


def _row(verdict: Mapping[str, Any], each: Interval, axis: Axis | None = None) -> dict[str, Any]:
    kind = _kind(verdict)
    against = {"anchor": "against the anchor", "competition": "taken by new labels"}.get(kind, "")
    return {
        "name": named(verdict),
        "against": against or {"own": "rows of the batch"}.get(kind, ""),
        "outcome": str(verdict["outcome"]),
        "noted": noted_only(verdict),
        "sentence": _without_name(verdict),
        "change": points(each.effect),
        "range": f"{points(each.low)} to {points(each.high)}" if each.low is not None else "",
        "limit": "" if each.limit is None else points(each.limit),
        "bar": None if axis is None or each.effect is None else _bar(each, axis),
    }


def _without_name(verdict: Mapping[str, Any]) -> str:
    """Return a verdict's sentence without what it is about, which stands beside it."""
    said, name = str(verdict.get("sentence", "")), named(verdict)
    for about in (f"{name}: ", f"{name}, new items: "):
        if said.startswith(about):
            rest = said.removeprefix(about)
            return f"{rest[:1].upper()}{rest[1:]}"
    return said


def _groups(verdicts: Sequence[Mapping[str, Any]], doubted: Sequence[str]) -> list[dict[str, Any]]:
    """Return the checks by kind; drift is no check that can be passed, and has its own place."""
    groups = []
    for kind, title in _KINDS.items():
        rows = [row for row in verdicts if _kind(row) == kind and row.get("check") != "drift"]
        if rows:
            shown, passed = worth_showing(rows)
            groups.append(
                {
                    "title": title,
                    "rows": [
                        _row(row, interval(row)) | {"doubt": in_doubt(row, doubted)}
                        for row in shown
                    ],
                    "passed": passed,
                }
            )
    return groups


def _bar(each: Interval, axis: Axis) -> dict[str, float]:
    """Return the places of an interval's parts on the axis, in percent of its width."""
    effect = each.effect if each.effect is not None else 0.0
    low = each.low if each.low is not None else effect
    high = each.high if each.high is not None else effect
    return {
        "zero": axis.percent(0.0),
        "low": axis.percent(low),
        "width": round(axis.percent(high) - axis.percent(low), 2),
        "effect": axis.percent(effect),
        "limit": axis.percent(each.limit if each.limit is not None else axis.low),
    }


def _ticks(axis: Axis, drawn: Sequence[Interval], origin: str) -> list[dict[str, Any]]:
    """Return what is written under the axis: the origin, and the margin where all share one."""
    ticks = [_tick(axis, 0.0, origin, 1)]
    limits = _limits(drawn)
    if len(limits) == 1 and not limits & {0.0}:
        limit = limits.pop()
        near = abs(axis.percent(limit) - axis.percent(0.0)) < _APART_PERCENT
        name = "margin" if limit < 0 else "required"
        ticks.append(_tick(axis, limit, f"{name} {points(limit)}", 2 if near else 1))
    return ticks


def _limits(drawn: Sequence[Interval]) -> set[float]:
    return {round(each.limit, 6) for each in drawn if each.limit is not None}


def _tick(axis: Axis, value: float, text: str, line: int) -> dict[str, Any]:
    at = axis.percent(value)
    anchor = "start" if at < 25 else "end" if at > 75 else "middle"
    return {"at": at, "text": text, "anchor": anchor, "line": line}


def _heat(matrix: Matrix) -> dict[str, Any]:
    """Return the accuracy table: columns with their items, rows of cells with text and shade."""
    known = [value for row in matrix.values for value in row if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    span = max(high - low, 0.1)

    def cell(value: float | None) -> dict[str, Any]:
        shade = None if value is None else round(0.08 + 0.5 * (value - low) / span, 3)
        return {"text": percent(value), "shade": shade}

    columns = [
        {"exam": spoken(exam), "items": items, "of": of}
        for exam, items, of in zip(matrix.exams, matrix.items, matrix.of, strict=True)
    ]
    rows = [
        {"step": step, "cells": [cell(value) for value in row]}
        for step, row in zip(matrix.steps, matrix.values, strict=True)
    ]
    return {"columns": columns, "rows": rows}


def _labels(exam: str, told: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, Any]:
    """Return an exam's labels, the worst first, and what the candidate mixes up."""
    after = told.get("candidate", {})
    before = told.get("champion", {})
    rows: list[dict[str, Any]] = []
    for label, answers in after.items():
        items = sum(answers.values())
        was = before.get(label)
        old = was.get(label, 0) / sum(was.values()) if was else None
        new = answers.get(label, 0) / items
        change = None if old is None else 100 * (new - old)
        rows.append({"label": label, "items": items, "old": old, "new": new, "change": change})
    rows.sort(key=lambda row: (row["change"] if row["change"] is not None else 0.0, row["new"]))
    names = sorted({*after, *(answer for answers in after.values() for answer in answers)})
    mixed: list[dict[str, Any]] = [
        {"label": label, "answer": answer, "items": count, "of": sum(answers.values())}
        for label, answers in after.items()
        for answer, count in answers.items()
        if answer != label
    ]
    mixed.sort(key=lambda each: (-each["items"], each["label"], each["answer"]))
    small = len(names) <= SMALL_MATRIX
    return {
        "exam": spoken(exam),
        "rows": rows[:MOST_LABELS],
        "more": max(0, len(rows) - MOST_LABELS),
        "names": names if small else [],
        "matrix": [_counts_of(label, names, after.get(label, {})) for label in names if small],
        "mixed": [] if small else mixed[:MOST_MIX_UPS],
    }


def _counts_of(label: str, names: Sequence[str], answers: Mapping[str, int]) -> dict[str, Any]:
    items = max(sum(answers.values()), 1)
    cells = [
        {
            "text": answers.get(name, 0) or "",
            "shade": round(0.7 * answers.get(name, 0) / items, 3),
            "right": name == label,
        }
        for name in names
    ]
    return {"label": label, "cells": cells}


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    """Return a drift that was found: its sentence and what moved."""
    return {
        "name": finding_named(finding),
        "sentence": str(finding["sentence"]).removeprefix("Drift: "),
        "classes": [
            {
                "name": each["name"],
                "before": percent(each["before"]),
                "after": percent(each["after"]),
            }
            for each in finding.get("classes", ())
        ],
    }
