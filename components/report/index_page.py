"""The index of all batches: how good the champion is, every batch with what became of it.

Concept: a panel a task shows each version beside its parent on the same items of one exam, so every
line drawn is a fair comparison; where the exam changed in between, the level jumps, and a dotted
line says so.

Promise: as of a batch's page: self-contained, no scripts, all text escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.report.batch_report import TONES
from components.report.pages import number, points, template

HEIGHT, EDGE = 120, 14
"""Pixels of a panel, and of its upper and lower edge."""

LEAST_SPAN = 0.1
DEEPER = 0.1
"""So far below the versions that were in force does the axis go for those that never were."""

KEPT = ("champion", "former", "barred")
COLOURS = 6
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
    rollbacks: Sequence[float] = (),
    earlier: int = 0,
) -> str:
    """Return the page.

    `rows`: newest first; `earlier`: how many are left out. `rollbacks`: after which version each.
    """
    versions = sorted({step.version for panel in panels for step in panel.steps})
    shown = panels[:MOST_PANELS]
    return template("index.html.j2").render(
        model=model,
        headline=headline,
        panels=[
            _panel(panel, versions, rollbacks, 1 + place % COLOURS)
            for place, panel in enumerate(shown)
        ],
        more=len(panels) - len(shown),
        parts=[rows[:UNFOLDED], rows[UNFOLDED:]],
        earlier=earlier,
        tones=TONES | {"refused": "bad", "promoted": "good", "queued": "calm"},
        height=HEIGHT,
    )


def _panel(
    panel: Panel, versions: Sequence[int], rollbacks: Sequence[float], colour: int
) -> dict[str, Any]:
    kept = [step for step in panel.steps if step.status in KEPT] or panel.steps
    measured = [each for step in kept for each in (step.before, step.after)]
    values = [each for each in measured if each is not None]
    others = [step.after for step in panel.steps]
    low, high = max(min(values) - DEEPER, min(values + others)), max(values + others)
    lacking = max(0.0, LEAST_SPAN - (high - low)) / 2
    low, high = max(0.0, low - lacking), min(1.0, high + lacking)
    places = {version: place for place, version in enumerate(versions)}

    def x(version: float) -> float:
        before = sum(each < version for each in versions) - 1
        place = places.get(int(version), 0) if version in places else before + 0.5
        return round(4 + 92 * place / max(len(versions) - 1, 1), 2)

    def y(value: float) -> float:
        value = max(value, low)  # what is far below all that was in force lies on the edge
        return round(EDGE + (HEIGHT - 2 * EDGE) * (high - value) / max(high - low, 1e-9), 1)

    lines, jumps, marks, last = [], [], [], dict[int, float]()
    for step in panel.steps:
        if step.before is not None and step.parent is not None:
            start = x(step.parent)
            was = last.get(step.parent)
            if was is not None and abs(was - step.before) > 0.0005:
                jumps.append({"x": start, "y1": y(was), "y2": y(step.before)})
            line = {"x1": start, "y1": y(step.before), "x2": x(step.version), "y2": y(step.after)}
            lines.append(line | {"kept": step.status in KEPT})
        change = None if step.before is None else 100 * (step.after - step.before)
        about = f"version {step.version}, {step.status}: {100 * step.after:.1f} %"
        if change is not None:
            about += f", {points(change)} points from version {step.parent}"
        about += f", on {number(step.items)} items of {step.exam}"
        marks.append(
            {"x": x(step.version), "y": y(step.after), "status": step.status, "about": about,
             "version": step.version}
        )  # fmt: skip
        last[step.version] = step.after
    return {
        "task": panel.task,
        "told": panel.told,
        "colour": colour,
        "lines": lines,
        "jumps": jumps,
        "marks": marks,
        "rollbacks": [x(each) for each in rollbacks],
        "high": f"{100 * high:.0f} %",
        "low": f"{100 * low:.0f} %",
        "first": versions[0],
        "last": versions[-1],
    }
