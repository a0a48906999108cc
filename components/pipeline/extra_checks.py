"""What the checks beyond forgetting look at: labels and slices, cases, weight and time.

Concept: each is gathered only where its policy asks for it, and becomes part of the evidence, so
that the gate decides again from that alone.

Promise: times are measured once for a pair of bundles and kept, so a run that was interrupted
finds the same evidence again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from components.data.cases import CaseFile, read_cases
from components.files import write_json
from components.gate.verdicts import Case, Cases, Timing
from components.items import Item
from components.pipeline.examiner import Examiner
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from components.model.bundle import Bundle

NO_VALUE = "(none)"
"""What the group of the items is called that have no value in a column."""

TIMED_TEXTS = 40
"""Pairs of answers that are timed: the bounds of their median are the 15th and the 26th."""

WARM_UP_TEXTS = 3


def case_file(ws: Workspace) -> CaseFile | None:
    """Return the behaviour cases that the settings name; None where they name none.

    Raises:
        ConfigError: the file is missing or not sound.
    """
    asked = ws.settings.gate.checks.behaviour
    if asked.file is None or asked.policy == "ignore":
        return None
    return read_cases(ws.root / asked.file, ws.identity)


def traits(ws: Workspace, items: Sequence[Item]) -> dict[str, Any]:
    """Return the labels and slices of an exam's items, as far as they are looked at."""
    checks, columns = ws.settings.gate.checks, ws.settings.data.slice_columns
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


def look_beyond(
    ws: Workspace,
    examiner: Examiner,
    bundle: Bundle,
    champion: Bundle | None,
    cases: CaseFile | None,
    exams: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """Return the parts of an examination that are no exam, by their names there.

    `exams`: the item digests of each exam that was sat.
    """
    checks = ws.settings.gate.checks
    found: dict[str, Any] = {}
    if cases is not None:
        found["cases"] = _answered(examiner, bundle, champion, cases)
    if checks.size.policy != "ignore" and checks.size.max_megabytes is not None:
        found["adapter_bytes"] = bundle.answering_bytes()
    if checks.latency.policy != "ignore" and champion is not None:
        digests = islice(sorted({item for exam in exams for item in exam}), TIMED_TEXTS)
        found["timing"] = _timing(ws, bundle, champion, examiner.items(list(digests)))
    return found


def _answered(
    examiner: Examiner, bundle: Bundle, champion: Bundle | None, cases: CaseFile
) -> Cases:
    items = cases.items
    before: Sequence[bool | None] = [None] * len(items)
    if champion is not None:
        before = examiner.answer(champion, items).correct
    after = examiner.answer(bundle, items).correct
    told = zip(cases.cases, before, after, strict=True)
    return Cases(
        cases.digest,
        [Case(case.line, case.item.task, case.note, old, new) for case, old, new in told],
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
