"""Any versions on the same items: the exams as they stand now.

Concept: what two versions got right can only be compared item by item. So every version answers the
same items of today's exams, with the labels that these have today. Answers that are kept are used
as the gate uses them; what is missing is answered now.

Promise: an item that one of the versions was trained on is left out for all of them (law 4 holds
for the champion's lineage alone: what a refused version learned may be an exam item today), and so
is one that none of them could get right. What was left out is counted, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from components.digest import bytes_digest, canonical_json
from components.errors import ConfigError
from components.items import Item
from components.ledger import views
from components.operations.explanation import registered
from components.pipeline.exams import open_exams, snapshot_of
from components.pipeline.version_answers import Given, answers_of, record_distrusted
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.score_store import Scored
    from components.model.bundle import Bundle

LEASE_WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Answered:
    """One exam item and what each version answered, in the order in which they were asked."""

    exam: str
    item: Item
    answers: tuple[Scored, ...]

    def right(self, place: int) -> bool:
        """Return whether the version at `place` answered this item correctly."""
        return self.answers[place].label == self.item.label


@dataclass(frozen=True, slots=True)
class Sitting:
    """Versions and their answers to the same items, by task, exam and item digest.

    `snapshot`: the digest of the exams as they stood; `exams`: exam -> how many of its items were
    answered; `left_out`: why -> how many were not; `labels`: what each version can answer.
    """

    versions: tuple[views.Version, ...]
    labels: tuple[frozenset[str], ...]
    snapshot: str
    exams: Mapping[str, int]
    rows: tuple[Answered, ...]
    left_out: Mapping[str, int]

    def by_task(self) -> dict[str, list[Answered]]:
        """Return the answers by task."""
        found: dict[str, list[Answered]] = {}
        for row in self.rows:
            found.setdefault(row.item.task, []).append(row)
        return found


def sit(ws: Workspace, versions: Sequence[views.Version], task: str | None = None) -> Sitting:
    """Let versions answer the exams as they stand now, those of one task or of all.

    Raises:
        ConfigError: there is no exam of the task, or the base is not that of a version.
        Corrupted: a bundle or an exam's items are missing or damaged.
    """
    from components.model.bundle import open_bundle

    held = views.exams(ws.ledger, ws.settings.holdout.max_items)
    exams = open_exams(ws, _of_task(ws, held, task))
    bundles = [open_bundle(ws.bundles, each.bundle) for each in versions]
    labels = tuple(frozenset(bundle.labels) for bundle in bundles)
    items = {item.digest: (exam.name, item) for exam in exams for item in exam.items}
    why = dict(_unfit(ws, versions, labels, [item for _, item in items.values()]))
    asked = [item for _, item in items.values() if item.digest not in why]
    given = answers_of(ws, ((bundle, asked) for bundle in bundles))
    if given.distrusted:
        with ws.ledger.lease(ws.settings.model.name, LEASE_WAIT_SECONDS) as lease:
            record_distrusted(ws, lease, given)
    rows = sorted(
        (_answered(items[item.digest][0], item, bundles, given) for item in asked),
        key=lambda row: (row.item.task, row.exam, row.item.digest),
    )
    return Sitting(
        tuple(versions),
        labels,
        bytes_digest(canonical_json(snapshot_of(held)).encode("utf-8", "surrogatepass")),
        dict(sorted(Counter(row.exam for row in rows).items())),
        tuple(rows),
        dict(sorted(Counter(why.values()).items())),
    )


def named(ws: Workspace, name: str) -> views.Version:
    """Return the version of a number, the `champion`, or the newest `candidate`: one that is held.

    Raises:
        ConfigError: there is none.
    """
    champion = views.champion(ws.ledger)
    if name == "champion":
        if champion is None:
            raise ConfigError("There is no champion yet.", "Run a batch first: `ratchet run FILE`.")
        return champion
    if name == "candidate":
        held = views.newest_held(ws.ledger, champion.version if champion else None)
        if held is None:
            raise ConfigError(
                "No version is held, so there is no candidate.",
                "`ratchet version list` shows all versions.",
            )
        return registered(ws, held)
    return registered(ws, int(name))


def champion_on(ws: Workspace, day: date) -> views.Version:
    """Return the version that was champion at the end of a day (UTC).

    Raises:
        ConfigError: there was none yet.
    """
    moves = views.pointer_history(ws.ledger)
    before = [move for move in moves if str(move.time)[:10] <= day.isoformat()]
    if not before:
        first = f" The first one came on {str(moves[0].time)[:10]}." if moves else ""
        raise ConfigError(
            f"There was no champion by {day.isoformat()}.{first}", "`ratchet history` lists all."
        )
    return registered(ws, before[-1].version)


def ancestors(ws: Workspace, version: views.Version) -> list[views.Version]:
    """Return a version and all that it was trained from, newest first, whatever became of them."""
    found = [version]
    while (number := found[-1].parent) is not None:
        found.append(registered(ws, number))
    return found


def _of_task(
    ws: Workspace, held: Sequence[views.HeldExam], task: str | None
) -> list[views.HeldExam]:
    now = views.renamed_tasks(ws.ledger).get(task, task) if task else None
    found = [exam for exam in held if now in (None, exam.task)]
    if found:
        return found
    names = ", ".join(sorted({exam.task for exam in held}))
    what = f"There is no exam of task {task!r}." if task and held else "There are no exams yet."
    remedy = f"Tasks with an exam: {names}." if task and held else ""
    raise ConfigError(what, remedy or "Bring one: `ratchet holdout add FILE --task NAME`.")


def _unfit(
    ws: Workspace,
    versions: Sequence[views.Version],
    labels: Sequence[frozenset[str]],
    items: Sequence[Item],
) -> Iterator[tuple[str, str]]:
    """Yield each item that can't be used, and why."""
    known = frozenset[str]().union(*labels)
    learned: dict[str, int] = {}
    near = {item.near for item in items}
    for version in versions:
        batches = [each.batch for each in ancestors(ws, version) if each.batch]
        for key in views.trained_in(ws.ledger, batches, near):
            learned.setdefault(key, version.version)
    for item in items:
        if item.near in learned:
            yield item.digest, f"training rows of version {learned[item.near]}"
        elif item.label not in known:
            yield item.digest, "with a label that no version asked here knows"


def _answered(exam: str, item: Item, bundles: Sequence[Bundle], given: Given) -> Answered:
    return Answered(exam, item, tuple(given.scored[each.digest][item.digest] for each in bundles))
