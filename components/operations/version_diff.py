"""Two versions beside each other: who is better, on what, and what they were made from.

Concept: both answer the same items of today's exams (`same_items`). Of the items whose label both
know, the paired difference says for whom it got better, for each task, and within it for each label
and each value of the settings' slice columns. What only one of them knows stands apart.

Promise: each interval is exact for its own row alone, at 95 %. What is called better or worse is so
after Holm's correction over all rows of its kind, so one such word among all is wrong in 5 % at
most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.gate.binomial import binomial_bounds
from components.gate.paired_statistics import (
    Changes,
    holm,
    loss_p_value,
    lower_bound,
    upper_bound,
)
from components.ledger import views
from components.operations.same_items import Answered, Sitting, ancestors, sit
from components.workspace.root import Workspace

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two versions. `since`: when it first became champion, in ISO 8601, or None.

    `bytes`: what it takes to serve it, its base left out.
    """

    version: int
    status: str
    since: str | None
    method: str
    strategy: str
    head: str
    bundle: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Change:
    """One group of items: a task, a label or a slice of it.

    `broke`: right in the first version, wrong in the second; `fixed`: the other way round. The
    change of accuracy in points, second minus first, with its 95 % interval. `shown`: better,
    worse, or None: the difference may be chance.
    """

    task: str
    group: str
    items: int
    right: tuple[int, int]
    broke: int
    fixed: int
    points: float
    low: float
    high: float
    shown: str | None


@dataclass(frozen=True, slots=True)
class NewLabel:
    """A label that only one of the versions knows, and how many of its items that one gets right.

    `of`: the number of the version. `low`, `high`: the 95 % interval of its accuracy, in percent.
    """

    task: str
    label: str
    of: int
    items: int
    right: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Step:
    """A version that only one of the two was trained from, itself included; oldest first."""

    version: int
    status: str
    origin: str
    batch: str | None
    source: str
    rows: int
    since: str | None


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """The two versions; `settings`: name -> the two values; `parts`: file -> what changed.

    `common`: the newest version that both were trained from; `steps`: of each side, since then.
    """

    sides: tuple[Side, Side]
    snapshot: str
    exams: Mapping[str, int]
    left_out: Mapping[str, int]
    tasks: Sequence[Change]
    groups: Mapping[str, Sequence[Change]]
    new_labels: Sequence[NewLabel]
    labels_gained: Sequence[str]
    labels_lost: Sequence[str]
    settings: Mapping[str, tuple[Any, Any]]
    parts: Mapping[str, str]
    common: int | None
    steps: tuple[Sequence[Step], Sequence[Step]]


def compare(
    ws: Workspace, first: views.Version, second: views.Version, task: str | None = None
) -> VersionDiff:
    """Let two versions answer the exams as they stand now, and say in what else they differ.

    Raises:
        ConfigError, Corrupted: as `same_items.sit`.
    """
    from components.model.bundle import open_bundle

    sitting = sit(ws, [first, second], task)
    bundles = [open_bundle(ws.bundles, each.bundle) for each in (first, second)]
    known, other = sitting.labels
    both = [row for row in sitting.rows if row.item.label in known & other]
    since = _since(ws)
    lines = [ancestors(ws, each) for each in (first, second)]
    shared = {each.version for each in lines[0]} & {each.version for each in lines[1]}
    told = [_settings(ws, each) for each in (first, second)]
    return VersionDiff(
        (
            _side(first, since, bundles[0], told[0]),
            _side(second, since, bundles[1], told[1]),
        ),
        sitting.snapshot,
        sitting.exams,
        sitting.left_out,
        _changes(both, _whole),
        {"label": _changes(both, _label), "slice": _changes(both, _slices)},
        [*_new_labels(sitting)],
        sorted(other - known),
        sorted(known - other),
        {
            name: (told[0].get(name), told[1].get(name))
            for name in sorted({*told[0], *told[1]})
            if all(told) and told[0].get(name) != told[1].get(name)
        },
        _parts(bundles[0].files, bundles[1].files),
        max(shared, default=None),
        (_steps(ws, lines[0], shared, since), _steps(ws, lines[1], shared, since)),
    )


def _whole(row: Answered) -> Iterable[str]:
    return ("",)


def _label(row: Answered) -> Iterable[str]:
    return (row.item.label,)


def _slices(row: Answered) -> Iterable[str]:
    return (f"{column} {value}" for column, value in row.item.slices)


def _changes(
    rows: Sequence[Answered], groups_of: Callable[[Answered], Iterable[str]]
) -> list[Change]:
    """Return the change of each group, by task, those that got worse first within it."""
    found: dict[tuple[str, str], list[Answered]] = {}
    for row in rows:
        for group in groups_of(row):
            found.setdefault((row.item.task, group), []).append(row)
    counted = {
        key: Changes(
            sum(row.right(0) and not row.right(1) for row in own),
            sum(row.right(1) and not row.right(0) for row in own),
            len(own),
        )
        for key, own in found.items()
    }
    adjusted = holm([_p_value(each) for each in counted.values()]) if counted else []
    changes = [
        Change(
            task,
            group,
            each.items,
            (_right(found[task, group], 0), _right(found[task, group], 1)),
            each.worse,
            each.better,
            0.0 - 100 * each.loss,
            0.0 - 100 * upper_bound(each, ALPHA / 2),
            0.0 - 100 * lower_bound(each, ALPHA / 2),
            None if p > ALPHA else "worse" if each.loss > 0 else "better",
        )
        for ((task, group), each), p in zip(counted.items(), adjusted, strict=True)
    ]
    return sorted(changes, key=lambda each: (each.task, each.points, each.group))


def _p_value(changes: Changes) -> float:
    """Return the two-sided p-value against "nothing changed"."""
    one_way = min(loss_p_value(changes), loss_p_value(changes.swapped()))
    return min(1.0, 2 * one_way)


def _right(rows: Iterable[Answered], place: int) -> int:
    return sum(row.right(place) for row in rows)


def _new_labels(sitting: Sitting) -> Iterator[NewLabel]:
    for place, own in enumerate(sitting.labels):
        new = own - sitting.labels[1 - place]
        rows = [row for row in sitting.rows if row.item.label in new]
        totals = Counter((row.item.task, row.item.label) for row in rows)
        right = Counter((row.item.task, row.item.label) for row in rows if row.right(place))
        for (task, label), items in sorted(totals.items()):
            own_right, number = right[task, label], sitting.versions[place].version
            low, high = (100 * each for each in binomial_bounds(own_right, items, ALPHA / 2))
            yield NewLabel(task, label, number, items, own_right, low, high)


def _since(ws: Workspace) -> dict[int, str]:
    """Return version -> when it became champion for the first time."""
    moves = reversed(views.pointer_history(ws.ledger))
    return {move.version: str(move.time) for move in moves}


def _settings(ws: Workspace, version: views.Version) -> dict[str, Any]:
    """Return the settings that a version was examined under, flat; an old event has none."""
    examined = views.examined(ws.ledger, version)
    if examined is None or examined.payload.settings is None:
        return {}
    return dict(_flat(ws.read_document(examined.payload.settings), ""))


def _flat(value: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, own in value.items():
        if isinstance(own, Mapping):
            yield from _flat(own, f"{before}{name}.")
        else:
            yield f"{before}{name}", own


def _side(
    version: views.Version, since: Mapping[int, str], bundle: Any, settings: Mapping[str, Any]
) -> Side:
    return Side(
        version.version,
        version.status,
        since.get(version.version),
        bundle.state["adapter"]["method"],
        str(settings.get("strategy.method", "unknown")),
        bundle.state["head"],
        version.bundle,
        bundle.answering_bytes(),
    )


def _parts(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    words = {(True, False): "only in the first", (False, True): "only in the second"}
    return {
        name: words.get((name in first, name in second), "differs")
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    }


def _steps(
    ws: Workspace, line: Sequence[views.Version], shared: set[int], since: Mapping[int, str]
) -> list[Step]:
    own = [version for version in reversed(line) if version.version not in shared]
    return [_step(ws, version, since) for version in own]


def _step(ws: Workspace, version: views.Version, since: Mapping[int, str]) -> Step:
    examined = views.examined(ws.ledger, version)
    arrival = views.arrival(ws.ledger, version.batch) if version.batch else None
    return Step(
        version.version,
        version.status,
        (examined.payload.origin if examined else None) or "batch",
        version.batch,
        arrival.source if arrival else "",
        len(views.split_side(ws.ledger, version.batch, "train")) if version.batch else 0,
        since.get(version.version),
    )
