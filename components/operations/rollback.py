"""Roll back to the newest ancestor shown better, automatically or by hand.

Concept: the target is chosen, verified and tested with one answer before the champion changes.
One ledger event changes the champion, bars the versions after it, quarantines the first of their
batches and queues the rest again; MLflow follows.

Promise: what a rollback costs (versions, tasks, labels, batches) is listed in its event, and what
it brings back: batches that one of the versions after the target had taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from components.errors import ConfigError, Corrupted
from components.gate.regression_watch import Regression, Version, regressions
from components.gate.verdicts import Answers, Verdict
from components.ledger import views
from components.ledger.events import ChampionRolledBack, ChampionWatched
from components.ledger.ledger import Lease
from components.pipeline import publication
from components.pipeline.examination import rules
from components.pipeline.exams import Exam, known_items, open_exams, snapshot_of
from components.pipeline.readiness import require_ready
from components.pipeline.version_answers import ask, ask_among
from components.workspace.batch_files import append_entry, set_batch_aside
from components.workspace.root import Workspace

WATCH_DEPTH = 10
"""How many ancestors `watch` compares the champion with."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a rollback takes away until the requeued batches are learned again.

    `returned`: batches that were taken out and are in the champion again -> the version that had
    taken each of them out. Nothing takes them out again by itself.
    """

    versions: list[int]
    batches: list[str]
    tasks: list[str]
    labels: list[str]
    returned: dict[str, int]


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rollback, done or planned. `offending_batch` goes to quarantine; None if there is none."""

    from_version: int
    to_version: int
    offending_batch: str | None
    requeued: list[str]
    cost: Cost
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `guilty` is what `offending_batch` was called before."""
        return {**asdict(self), "guilty": self.offending_batch}


@dataclass(frozen=True, slots=True)
class Watched:
    """One examination of the champion."""

    champion: int | None
    exams: int
    regressions: tuple[Regression, ...]


def look(ws: Workspace, lease: Lease) -> Watched:
    """Examine the champion and its ancestors on the holdouts as they stand now."""
    lineage = views.lineage(ws.ledger)[: WATCH_DEPTH + 1]
    if not lineage:
        return Watched(None, 0, ())
    exams = views.exams(ws.ledger, ws.settings.holdout.max_items)
    exams = [exam for exam in exams if exam.task in lineage[0].anchors]
    sat, restricted = _sit(ws, lease, lineage, open_exams(ws, exams))
    tasks = {exam.exam: exam.task for exam in exams}
    alpha = ws.settings.gate.watch_alpha
    found = tuple(regressions(sat, tasks, rules(ws), alpha, restricted))
    watched = ChampionWatched(
        version=lineage[0].version,
        snapshot=ws.write_document(snapshot_of(exams)),
        regressions=[_regression(each) for each in found],
    )
    ws.ledger.append(watched, lease)
    return Watched(lineage[0].version, len(exams), found)


def _sit(
    ws: Workspace, lease: Lease, lineage: list[views.Version], exams: Sequence[Exam]
) -> tuple[list[Version], dict[str, dict[str, Answers]]]:
    """Let each version answer the exams of the tasks that it had learned by then.

    An ancestor answers the items whose label it knew, and the champion those as well as if it knew
    no other label (the second value, by version). One whose bundle is lost is no place to go back
    to, so it is left out.
    """
    from components.model.bundle import Bundle, open_bundle

    sitting: list[tuple[str, Bundle, list[Exam]]] = []
    for version in lineage:
        try:
            bundle = open_bundle(ws.bundles, version.bundle)
        except Corrupted:
            if version is lineage[0]:
                raise
            continue
        own = [exam for exam in exams if exam.task in version.anchors]
        own = [replace(exam, items=known_items(exam, bundle)) for exam in own]
        sitting.append((str(version.version), bundle, [exam for exam in own if exam.items]))
    given = ask(ws, lease, ((bundle, exam.items) for _, bundle, own in sitting for exam in own))
    champion = sitting[0][1]
    among = {label: frozenset(bundle.labels) for label, bundle, _ in sitting}
    fewer = [each for each in sitting if among[each[0]] != frozenset(champion.labels)]
    asked = ((among[label], exam.items) for label, _, own in fewer for exam in own)
    given = ask_among(ws, given, champion, asked)
    sat: list[Version] = [
        (label, {exam.name: given.by(bundle, exam.items) for exam in own})
        for label, bundle, own in sitting
    ]
    restricted = {
        label: {exam.name: given.candidate_among(among[label], exam.items) for exam in own}
        for label, _, own in fewer
    }
    return sat, restricted


def roll_back_regression(ws: Workspace, lease: Lease, watched: Watched) -> RolledBack:
    """Go back to the newest ancestor that does better on every exam that failed."""
    target = min(int(each.target) for each in watched.regressions)
    worst = max(watched.regressions, key=lambda each: each.verdict.effect_points or 0.0)
    evidence = [_regression(each) for each in watched.regressions]
    return roll_back(ws, lease, target, worst.verdict.sentence, evidence)


def plan(ws: Workspace, target: int | None, reason: str) -> RolledBack:
    """Return what a rollback to `target` (the champion's parent where None) would do.

    Raises:
        ConfigError: there is nothing to go back to, or `target` is not an ancestor.
        Corrupted: the target's bundle does not verify.
    """
    from components.model.bundle import open_bundle

    lineage = views.lineage(ws.ledger)
    goal = _goal(lineage, target)
    passed = lineage[: lineage.index(goal)]
    labels = open_bundle(ws.bundles, goal.bundle).labels
    back = views.brought_back(ws.ledger, lineage[len(passed) :], _numbers(passed))
    cost = _cost(ws, goal, passed, labels, back)
    offending, requeued = passed[-1].batch, _batches(reversed(passed[:-1]))
    return RolledBack(passed[0].version, goal.version, offending, requeued, cost, reason)


def roll_back(
    ws: Workspace,
    lease: Lease,
    target: int | None,
    reason: str,
    regressed: list[dict[str, Any]] | None = None,
) -> RolledBack:
    """Make `target` (the champion's parent where None) champion again.

    Raises:
        ConfigError: there is nothing to go back to, or `target` is not an ancestor.
        Corrupted: the target's bundle does not verify, or its copy in MLflow cannot be put
            right; the pointer has not moved.
    """
    planned = plan(ws, target, reason)
    [goal] = views.versions(ws.ledger, version=planned.to_version)
    require_ready(ws, lease, goal)
    offending, barred = planned.offending_batch, planned.cost.versions
    rolled_back = ChampionRolledBack(
        from_=planned.from_version,
        to=planned.to_version,
        barred=barred,
        offending_batch=offending,
        offending_rows=len(views.split_side(ws.ledger, offending, "train")) if offending else 0,
        requeued=planned.requeued,
        cost=asdict(planned.cost),
        reason=reason,
        regressions=regressed or [],
    )
    if offending is None:
        ws.ledger.append(rolled_back, lease)
    else:
        _quarantine(ws, offending, reason)
        append_entry(ws, lease, rolled_back, offending)
    publication.mirror(ws, lease, {goal.version, *barred})
    return planned


def _goal(lineage: list[views.Version], target: int | None) -> views.Version:
    if lineage and target == lineage[0].version:
        raise ConfigError(
            f"Version {target} is already champion; nothing was changed.",
            "Choose an earlier version (see `ratchet history`), or leave out --to to go back one.",
        )
    if len(lineage) < 2:
        raise ConfigError(
            "There is no earlier version to roll back to.",
            "The first version can only be replaced: run a better batch.",
        )
    wanted = lineage[1].version if target is None else target
    for version in lineage[1:]:
        if version.version == wanted:
            return version
    legal = ", ".join(str(version.version) for version in lineage[1:])
    raise ConfigError(
        f"Version {wanted} is not an ancestor of the champion, version {lineage[0].version}.",
        f"Choose one of {legal}.",
    )


def _cost(
    ws: Workspace,
    goal: views.Version,
    passed: list[views.Version],
    labels: tuple[str, ...],
    back: list[views.Removal],
) -> Cost:
    known = ws.read_document(passed[0].evidence)["labels"]  # its bundle may be why one goes back
    return Cost(
        versions=_numbers(passed),
        batches=_batches(passed),
        tasks=sorted(set(passed[0].anchors) - set(goal.anchors)),
        labels=[label for label in known if label not in labels],
        returned={each.batch: each.version.version for each in back},
    )


def _numbers(versions: Iterable[views.Version]) -> list[int]:
    return [version.version for version in versions]


def _batches(versions: Iterable[views.Version]) -> list[str]:
    """Return the batches that brought these versions; some came from none."""
    return [version.batch for version in versions if version.batch is not None]


def _quarantine(ws: Workspace, batch: str, reason: str) -> None:
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # every version's batch arrived
    set_batch_aside(ws, arrival, f"Rolled back: {reason}")


def _regression(each: Regression) -> dict[str, Any]:
    verdict: Verdict = each.verdict
    return {"exam": each.exam, "task": each.task, "target": each.target, **verdict.to_json()}
