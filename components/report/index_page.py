"""The index of all batches: how good the champion is, every batch with what became of it.

Concept: a panel a task, on one exam, shows each version beside its parent on the same items, so
every line drawn is a fair comparison; where the exam grew in between, the level jumps, and a dotted
line says so. A version that came into force again, by a rollback or an undo, has a place of its own
among the versions, in the order of time.

Promise: every value lies where the labels of the axis say; as of a batch's page: self-contained, no
scripts, all text escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil, floor
from typing import Any

from components.exam_names import spoken
from components.report.batch_report import TONES
from components.report.pages import number, points, rendered

HEIGHT, EDGE = 130, 10
"""Pixels of a panel, and of its upper and lower edge."""

LEFT, RIGHT = 15, 96
"""Where the first and the last place lie, in percent: what is left of them belongs to the axis."""

GRID = 5
"""An axis begins and ends at multiples of so many percent, with one between its ends at least."""

KEPT = ("champion", "former", "barred")
SIGNS = {
    "kept": "in force, or was",
    "barred": "rolled back",
    "held": "held",
    "rejected": "rejected",
    "open": "superseded, or not decided",
}
"""The signs of versions, by status, with what the legend says of them."""

NAMED = 9
"""So many places are named under a panel."""

MOST_PANELS = 12
UNFOLDED = 12
"""Rows above the fold."""


@dataclass(frozen=True, slots=True)
class Step:
    """A version beside its parent on the same items; accuracies in [0, 1], `before` may be None."""

    version: int
    parent: int | None
    status: str
    before: float | None
    after: float
    items: int
    exam: str


@dataclass(frozen=True, slots=True)
class Return:
    """A version that came into force again. `newest`: the newest one that there was by then."""

    version: int
    newest: int
    how: str
    date: str
    why: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A task: `told` is how good the champion is, in words; steps oldest first."""

    task: str
    told: str
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Row:
    """A batch; `page`: the file name of its page, or empty."""

    file: str
    date: str
    task: str
    status: str
    version: int | None
    why: str
    page: str


def render_index(
    model: str,
    headline: str,
    panels: Sequence[Panel],
    rows: Sequence[Row],
    returns: Sequence[Return] = (),
    earlier: int = 0,
) -> str:
    """Return the page.

    `rows`: newest first; `earlier`: how many are left out. `returns`: oldest first.
    """
    shown = panels[:MOST_PANELS]
    places = _places(sorted({step.version for panel in shown for step in panel.steps}), returns)
    drawn = [_panel(panel, places) for panel in shown]
    signs = {mark["sign"] for panel in drawn for mark in panel["marks"]}
    return rendered(
        "index.html.j2",
        model=model,
        headline=headline,
        panels=drawn,
        more=len(panels) - len(shown),
        legend=[(sign, said) for sign, said in SIGNS.items() if sign in signs],
        ways=sorted({each.how for each in places if isinstance(each, Return)}),
        jumped=any(panel["jumps"] for panel in drawn),
        parts=[rows[:UNFOLDED], rows[UNFOLDED:]],
        earlier=earlier,
        tones=TONES | {"refused": "bad", "promoted": "good", "queued": "calm"},
        height=HEIGHT,
    )


def _places(versions: Sequence[int], returns: Sequence[Return]) -> list[int | Return]:
    """Return versions and returns in the order of time; a return before all of them is left out."""
    found: list[int | Return] = []
    for version, following in zip_longest(versions, versions[1:]):
        found.append(version)
        found += [
            each
            for each in returns
            if version <= each.newest and (following is None or each.newest < following)
        ]
    return found


def _version(place: int | Return) -> int:
    return place.version if isinstance(place, Return) else place


def _sign(status: str) -> str:
    """Return the sign of a status."""
    return "kept" if status in ("champion", "former") else status if status in SIGNS else "open"


def _axis(values: Sequence[float]) -> tuple[int, int]:
    """Return the ends of the axis in percent, with all values between them."""
    low = GRID * floor(100 * min(values) / GRID + 1e-9)
    high = GRID * ceil(100 * max(values) / GRID - 1e-9)
    if high - low < 2 * GRID:
        low = max(0, high - 2 * GRID)
    return low, max(high, low + 2 * GRID)


def _panel(panel: Panel, places: Sequence[int | Return]) -> dict[str, Any]:
    """Return what is drawn of a task; heights in pixels, places across in percent of the width."""
    low, high = _axis(
        [v for each in panel.steps for v in (each.before, each.after) if v is not None]
    )

    def x(place: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * place / max(len(places) - 1, 1), 2)

    def y(value: float) -> float:
        return round(EDGE + (HEIGHT - 2 * EDGE) * (high - 100 * value) / (high - low), 1)

    steps = {step.version: step for step in panel.steps}
    lines, jumps, marks, returns = [], [], [], []
    last = dict[int, tuple[float, float]]()  # version -> where it was drawn last: place and value
    for place, what in enumerate(places):
        at = x(place)
        if isinstance(what, Return):
            about = f"{what.how} to version {what.version}, {what.date}: {what.why}"
            returns.append({"x": at, "about": about})
            if what.version in last:
                value = last[what.version][1]
                marks.append({"x": at, "y": y(value), "sign": "kept", "about": about})
                last[what.version] = at, value
            continue
        step = steps.get(what)
        if step is None:
            continue
        about = f"version {step.version}, {step.status}: {100 * step.after:.1f} %"
        if step.before is not None and step.parent in last:
            start, was = last[step.parent]
            if abs(was - step.before) > 0.0005:
                jumps.append({"x": start, "y1": y(was), "y2": y(step.before)})
            line = {"x1": start, "y1": y(step.before), "x2": at, "y2": y(step.after)}
            lines.append(line | {"kept": step.status in KEPT})
            change = points(100 * (step.after - step.before))
            about += f", {change} points from version {step.parent}"
        about += f", on {number(step.items)} items of {spoken(step.exam)}"
        sign = _sign(step.status)
        marks.append({"x": at, "y": y(step.after), "sign": sign, "about": about})
        last[step.version] = at, step.after
    return {
        "task": panel.task,
        "told": panel.told,
        "lines": lines,
        "jumps": jumps,
        "marks": marks,
        "returns": returns,
        "grid": [{"y": y(value / 100), "text": f"{value} %"} for value in (high, low)],
        "names": [
            {"x": x(place), "text": f"v{_version(places[place])}"} for place in _named(len(places))
        ],
    }


def _named(count: int) -> list[int]:
    """Return which places are named: all of a few, else the first, the last and some between."""
    every = -(-count // NAMED)
    return [place for place in range(count) if (count - 1 - place) % every == 0]
