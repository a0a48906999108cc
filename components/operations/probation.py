"""Versions on probation: in force undecided, until answers that did not admit them decide.

Concept: the tasks that were open are examined again, on labelled items that people brought since
and on inputs of pools, where only labels given since count. As long as a version is on probation,
later batches wait before they are split and trained. Whoever runs batches asks here first.

Promise: the version is confirmed if its loss is shown to be within the margin. Its parent is
champion again if the loss is shown to be beyond it, or if the labels or the days are over. It is
not barred then: it is rejected where too much was lost, and held otherwise, as if it had never
been in force. Looks at more and more items share alpha like looks at a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from components.data.split import Split
from components.exam_names import origin
from components.gate.decision import judge
from components.gate.evidence import record
from components.gate.probation import covers, rules_to_end
from components.gate.sources import least_items
from components.gate.verdicts import Examination, PoolResult, Rules
from components.ledger import views
from components.ledger.events import (
    BatchHeld,
    BatchRequeued,
    ProbationEnded,
    ProbationExamined,
    VersionRejected,
)
from components.ledger.ledger import Lease
from components.pipeline import publication
from components.pipeline.decision_now import Now, decide_now
from components.pipeline.examination import sit
from components.pipeline.exams import open_exams, snapshot_of
from components.pipeline.pool_results import with_answers
from components.pipeline.preparation import Prepared
from components.pipeline.promotion import anchors_of
from components.pipeline.readiness import require_ready
from components.workspace.batch_files import append_entry, set_batch_aside
from components.workspace.root import Workspace

GROWTH = 2
"""A further look is made once there are so many times the items of the last one, or at the end."""

Outcome = Literal["confirmed", "lost", "over"]


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a probation: whether the version stays, and which one is champion from now on."""

    version: int
    champion: int
    confirmed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A version that is on probation: until when, and how many of the labels have come."""

    version: int
    ends: str
    labels: int
    labels_wanted: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many versions came into force on probation, and what became of them.

    `rolled_back`: not confirmed; `barred`: a rollback by `watch` or a person went past them.
    """

    began: int
    confirmed: int
    rolled_back: int
    barred: int


def counts(ws: Workspace) -> Counts:
    """Return the rate of probations, which is outside what the gate promises."""
    outcomes = [each.outcome for each in views.probations(ws.ledger)]
    ends = (outcomes.count(name) for name in ("confirmed", "rolled back", "barred"))
    return Counts(len(outcomes), *ends)


def progress(ws: Workspace) -> Progress | None:
    """Return how far the version on probation is, or None where there is none."""
    on = views.probation(ws.ledger)
    return None if on is None else Progress(on.version, on.ends, _fresh(ws, on).labels, on.labels)


def hold_batch(ws: Workspace, lease: Lease, batch: str) -> bool:
    """Let a batch wait if a version is on probation; return whether it does."""
    on = views.probation(ws.ledger)
    if on is None:
        return False
    reason = (
        f"Held until the probation of version {on.version} ends: by {day(on.ends)}, or earlier "
        f"with {on.labels} labels or fewer (`ratchet label`). It is then run by itself."
    )
    ws.ledger.append(BatchHeld(batch=batch, reason=reason), lease)
    return True


def day(moment: str) -> str:
    """Return a moment in ISO 8601 as people read it, in UTC."""
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M UTC")


def is_over(ws: Workspace) -> bool:
    """Tell whether the days of a probation have passed; one query, for time passes by itself."""
    on = views.probation(ws.ledger)
    return on is not None and _days_over(ws, on)


def is_due(ws: Workspace) -> bool:
    """Tell whether `check` has something to do."""
    on = views.probation(ws.ledger)
    if on is None:
        return bool(_waiting(ws))
    fresh = _fresh(ws, on)
    return _wants_a_look(ws, on, fresh) or _outcome(ws, on, fresh)[0] is not None


def check_if_due(
    ws: Workspace, leased: Callable[[Workspace], AbstractContextManager[Lease]]
) -> Ended | None:
    """As `check`; the lease is taken only where there is something to do."""
    if not is_due(ws):
        return None
    with leased(ws) as lease:
        return check(ws, lease)


def check(ws: Workspace, lease: Lease) -> Ended | None:
    """Look at the version on probation if there is more to see, and end it if that decides.

    Batches that waited for the end are queued again.

    Raises:
        Corrupted: the version before it can't serve; nothing was changed.
    """
    on, ended = views.probation(ws.ledger), None
    if on is not None:
        fresh = _fresh(ws, on)
        if _wants_a_look(ws, on, fresh):
            on = _look(ws, lease, on, fresh)
        outcome, now = _outcome(ws, on, fresh)
        ended = _end(ws, lease, on, fresh.labels, outcome, now) if outcome else None
    if on is None or ended is not None:
        for batch in _waiting(ws):
            requeued = BatchRequeued(batch=batch, reason="the probation it waited for has ended")
            ws.ledger.append(requeued, lease)
    return ended


def _waiting(ws: Workspace) -> list[str]:
    """Return the batches that wait for the end of a probation, oldest first."""
    held = {version.version for version in views.versions(ws.ledger, status="held")}
    return [
        each.batch
        for each in views.held_batches(ws.ledger)
        if each.version not in held and views.newest_of_batch(ws.ledger, BatchHeld, each)
    ]


@dataclass(frozen=True, slots=True)
class _Fresh:
    """What did not admit the version on probation, by now, of the `tasks` that were open.

    `rules`: by which it ends; `exams`: brought items that came later; `pools`: whole, for of these
    only the answers must be later; `labels`: how many labels that makes.
    """

    version: views.Version
    parent: views.Version
    rules: Rules
    tasks: frozenset[str]
    exams: list[views.HeldExam]
    pools: list[views.HeldExam]
    labels: int

    @property
    def snapshot(self) -> dict[str, list[str]]:
        """The items, as a document."""
        return snapshot_of([*self.exams, *self.pools])


def _fresh(ws: Workspace, on: views.Probation) -> _Fresh:
    version, parent = (views.version(ws.ledger, each) for each in (on.version, on.parent))
    assert version is not None and parent is not None  # a promotion named both
    admitted, names = ws.read_document(version.evidence), views.renamed_tasks(ws.ledger)
    verdicts = admitted["decision"]["verdicts"]
    held = (each["task"] for each in verdicts if each["consequence"] == "hold")
    tasks = frozenset(names.get(task, task) for task in held)
    most = ws.settings.holdout.max_items
    exams = _brought_since(ws, ws.read_document(admitted["snapshot"]), tasks, most)
    known = tasks & parent.anchors.keys()
    pools = [pool for pool in views.pools(ws.ledger, most) if pool.task in known]
    labels = sum(len(exam.items) for exam in exams)
    labels += sum(_answered_since(ws, pool, on.since) for pool in pools)
    rules = rules_to_end(Rules.from_json(admitted["rules"]))
    return _Fresh(version, parent, rules, tasks, exams, pools, labels)


def _answered_since(ws: Workspace, pool: views.HeldExam, since: int) -> int:
    """Return how many inputs have answers, none of them from before."""
    given = views.answers(ws.ledger, pool.task)
    own = [given[item] for item in pool.items if item in given]
    return sum(all(each.seq > since for each in said) for said in own)


def _is_over(ws: Workspace, on: views.Probation, fresh: _Fresh) -> bool:
    """Tell whether it ends now, whatever is shown."""
    return fresh.labels >= on.labels or _days_over(ws, on)


def _wants_a_look(ws: Workspace, on: views.Probation, fresh: _Fresh) -> bool:
    """Tell whether the models must answer: items are new, and so many that they may decide."""
    sat = ws.read_document(on.snapshot) if on.snapshot else {}
    if not fresh.snapshot or fresh.snapshot == sat:
        return False
    least = least_items(fresh.rules.at_look(on.looks))
    able = {each.task for each in (*fresh.exams, *fresh.pools) if len(each.items) >= least}
    before, now = (sum(map(len, each.values())) for each in (sat, fresh.snapshot))
    return _is_over(ws, on, fresh) or (able >= fresh.tasks and now >= GROWTH * before)


def _days_over(ws: Workspace, on: views.Probation) -> bool:
    return ws.clock() >= datetime.fromisoformat(on.ends)


def _brought_since(
    ws: Workspace, snapshot: Mapping[str, list[str]], tasks: frozenset[str], most: int
) -> list[views.HeldExam]:
    """Return the items of brought exams that are not in a snapshot, under whatever label."""
    sat = {item for items in snapshot.values() for item in items}
    sat |= views.relabelled_as(ws.ledger, sat)
    found = []
    for name, (task, _) in views.exam_sizes(ws.ledger).items():
        if task in tasks and origin(name) == "brought":
            items = [each.item for each in views.held_items(ws.ledger, name)]
            fresh = [item for item in items if item not in sat][:most]
            found += [views.HeldExam(name, task, fresh)] if fresh else []
    return found


def _look(ws: Workspace, lease: Lease, on: views.Probation, fresh: _Fresh) -> views.Probation:
    """Let the versions answer what is fresh, and record how that is decided so far."""
    from components.model.bundle import open_bundle

    version, snapshot = fresh.version, ws.write_document(fresh.snapshot)
    assert version.batch is not None  # only the pipeline lets versions in on probation
    bundle = open_bundle(ws.bundles, version.bundle)
    exams, pools = (open_exams(ws, held) for held in (fresh.exams, fresh.pools))
    nothing, wall = Split((), (), ()), views.wall(ws.ledger)
    prepared = Prepared(version.batch, fresh.parent, nothing, exams, snapshot, wall, pools=pools)
    results, counted = sit(ws, lease, prepared, bundle)
    examination = Examination(
        [replace(each, in_batch=True, turned_away=on.looks) for each in results],
        [],
        pools=[_pool_since(ws, on, each) for each in counted],
        look=on.looks,
    )
    decision = judge(examination, fresh.rules)
    document: dict[str, Any] = {
        **record(examination, fresh.rules, decision),
        "batch": version.batch,
        "bundle": version.bundle,
        "parent": fresh.parent.bundle,
        "labels": list(bundle.labels),
        "snapshot": snapshot,
        "wall": wall,
        "drift": None,
    }
    evidence = ws.write_document(document)
    looked = ProbationExamined(
        version=on.version, snapshot=snapshot, evidence=evidence, action=decision.action
    )
    ws.ledger.append(looked, lease)
    return replace(on, looks=on.looks + 1, snapshot=snapshot, evidence=evidence)


def _pool_since(ws: Workspace, on: views.Probation, result: PoolResult) -> PoolResult:
    """Return a pool's result with the answers that came since, charged for the looks at it."""
    charged = replace(result, in_batch=True, turned_away=result.turned_away + on.looks)
    return with_answers(charged, views.answers(ws.ledger, result.task), on.since)


def _outcome(
    ws: Workspace, on: views.Probation, fresh: _Fresh
) -> tuple[Outcome | None, Now | None]:
    """Return how it ends now, if it does, and the decision on the newest look."""
    now = None
    if on.evidence is not None:
        now = decide_now(ws, ws.read_document(on.evidence), on.since)
        if now.decision.action == "reject":
            return "lost", now
        if now.decision.action == "promote" and covers(now.examination, fresh.tasks):
            return "confirmed", now
    return ("over" if _is_over(ws, on, fresh) else None), now


def _end(
    ws: Workspace,
    lease: Lease,
    on: views.Probation,
    labels: int,
    outcome: Outcome,
    now: Now | None,
) -> Ended:
    """Record the end in one step, and let MLflow follow."""
    version, parent = (views.version(ws.ledger, each) for each in (on.version, on.parent))
    assert version is not None and version.batch is not None and parent is not None
    confirmed = outcome == "confirmed"
    if not confirmed:
        require_ready(ws, lease, parent)
    ended = ProbationEnded(
        version=on.version,
        batch=version.batch,
        to=on.version if confirmed else on.parent,
        confirmed=confirmed,
        reason=_reason(on, labels, outcome, now),
        labels=labels,
        evidence=ws.write_document(now.record()) if now else None,
        anchors=anchors_of(ws, version) if confirmed else None,
    )
    if outcome == "lost":
        _reject(ws, lease, version.batch, ended)
    else:
        ws.ledger.append(ended, lease)
    publication.mirror(ws, lease, {on.version, on.parent})
    return Ended(on.version, ended.to, confirmed, ended.reason)


def _reason(on: views.Probation, labels: int, outcome: Outcome, now: Now | None) -> str:
    came = f"{labels} label{'s' * (labels != 1)} that did not admit it"
    said = now.decision.headline.partition(": ")[2] if now else ""
    if outcome == "confirmed":
        return f"Version {on.version} is confirmed, with {came}: {said}"
    if outcome == "lost":
        return f"Version {on.version} lost too much on probation, with {came}: {said}"
    why = said or "nothing was there to examine it on. Bring labelled items or a pool of inputs."
    return f"The probation of version {on.version} is over, with {came}, and it is undecided: {why}"


def _reject(ws: Workspace, lease: Lease, batch: str, ended: ProbationEnded) -> None:
    """End a probation and reject the version, both or neither; its batch can be released."""
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # the inbox is where the batch came from
    set_batch_aside(ws, arrival, ended.reason)
    rows = len(views.split_side(ws.ledger, batch))
    rejected = VersionRejected(version=ended.version, batch=batch, reason=ended.reason, rows=rows)
    append_entry(ws, lease, rejected, batch, first=[ended])
