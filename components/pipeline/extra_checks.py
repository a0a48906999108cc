"""The inputs of the extra checks: labels and slices, cases, size and latency.

Concept: each is collected only if its policy needs it, and becomes part of the evidence, so that
a decision can be replayed from the evidence alone.

Promise: times are measured once for a pair of bundles and kept, so a run that was interrupted
finds the same evidence again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from components.data.behaviour_cases import CaseFile
from components.files import write_json
from components.gate.verdicts import CaseResult, CaseResults, Timing
from components.items import Item
from components.pipeline.preparation import Prepared
from components.pipeline.version_answers import Given
from components.settings import Settings
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from components.model.bundle import Bundle

NO_VALUE = "(none)"
"""What the group of the items is called that have no value in a column."""

TIMED_TEXTS = 40
"""Pairs of answers that are timed: the bounds of their median are the 15th and the 26th."""

WARM_UP_TEXTS = 3


def traits(settings: Settings, items: Sequence[Item]) -> dict[str, Any]:
    """Return the labels and slices of an exam's items, as far as they are looked at."""
    checks, columns = settings.gate.checks, settings.data.slice_columns
    found: dict[str, Any] = {}
    if checks.classes.policy != "ignore":
        found["labels"] = {item.digest: item.label for item in items}
    if checks.slices.policy != "ignore" and columns:
        told = {item.digest: dict(item.slices) for item in items}
        found["slices"] = {
            column: {digest: own.get(column, NO_VALUE) for digest, own in told.items()}
            for column in columns
        }
    return found


def extra_parts(
    ws: Workspace, prepared: Prepared, bundle: Bundle, champion: Bundle | None, given: Given
) -> dict[str, Any]:
    """Return the parts of an examination that are no exam, by their names there."""
    checks = ws.settings.gate.checks
    found: dict[str, Any] = {}
    if prepared.cases is not None:
        found["cases"] = _cases(given, bundle, champion, prepared.cases)
    if checks.size.policy != "ignore" and checks.size.max_megabytes is not None:
        found["adapter_bytes"] = bundle.answering_bytes()
    if checks.latency.policy != "ignore" and champion is not None:
        items = {item.digest: item for exam in prepared.exams for item in exam.items}
        timed = [items[digest] for digest in sorted(items)[:TIMED_TEXTS]]
        found["timing"] = _timing(ws, bundle, champion, timed)
    return found


def _cases(given: Given, bundle: Bundle, champion: Bundle | None, cases: CaseFile) -> CaseResults:
    items = cases.items
    before: Sequence[bool | None] = [None] * len(items)
    if champion is not None:
        before = given.by(champion, items).correct
    after = given.by(bundle, items).correct
    told = zip(cases.cases, before, after, strict=True)
    return CaseResults(
        cases.digest,
        [CaseResult(case.line, case.item.task, case.note, old, new) for case, old, new in told],
    )


def _timing(ws: Workspace, bundle: Bundle, champion: Bundle, items: list[Item]) -> Timing:
    """Return what was measured for these two bundles, now or by an earlier, interrupted run."""
    path = _kept(ws, bundle, champion)
    if not path.exists():
        write_json(path, asdict(_measure(ws, bundle, champion, items)))
    return Timing(**json.loads(path.read_bytes()))


def _kept(ws: Workspace, bundle: Bundle, champion: Bundle) -> Path:
    return ws.mlruns / "timings" / f"{bundle.digest[:32]}-{champion.digest[:32]}.json"


def _measure(ws: Workspace, bundle: Bundle, champion: Bundle, items: list[Item]) -> Timing:
    """Time single texts on both in turn; who goes first alternates, nothing is cached."""
    from components.model.answering import predict
    from components.model.placement import placement_of

    placement = placement_of(ws.in_force())

    def milliseconds(version: Bundle, text: str) -> float:
        began = time.perf_counter()
        predict(ws.base, version, [text], placement)
        return round(1000 * (time.perf_counter() - began), 4)

    for item in items[:WARM_UP_TEXTS]:
        for version in (champion, bundle):
            milliseconds(version, item.text)
    before: list[float] = []
    after: list[float] = []
    for place, item in enumerate(items):
        ways = [(before, champion), (after, bundle)]
        for times, version in ways if place % 2 else reversed(ways):
            times.append(milliseconds(version, item.text))
        ws.progress("timing", place + 1, len(items))
    return Timing(before, after)
