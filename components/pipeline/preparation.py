"""From an inbox row to training rows and holdout rows: read, validate, store, snapshot, split.

Promise: the batch's bytes are stored and pushed before anything is trained on them; the
snapshot is taken before the batch's own rows are split, so a batch can't write its own exam.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Literal

from components.data.behaviour_cases import CaseFile, read_cases
from components.data.expectations import Run, run_checks
from components.data.plain_checks import hold_plainly
from components.data.quarantine import prepare_rows
from components.data.readers import Reading
from components.data.split import Split, split_items
from components.data.validation import Validation
from components.data.validation import validate as hold_to_contract
from components.digest import json_digest
from components.errors import DataRejected, RatchetError
from components.items import Item, write_items
from components.ledger import views
from components.ledger.events import (
    BatchRefused,
    BatchRequeued,
    BatchStarted,
    BatchValidated,
    RegistrationAbandoned,
    RegistrationBegun,
    SnapshotTaken,
    SplitMade,
    StoreBegun,
    StoreDone,
    TrainingAbandoned,
    TrainingBegun,
)
from components.ledger.ledger import Lease
from components.pipeline.arrival import printable
from components.pipeline.cause import causes_for
from components.pipeline.data_warnings import warnings
from components.pipeline.exams import Exam, open_exams, snapshot_of
from components.pipeline.held import ways_to_settle
from components.pipeline.held_out_share import held_out_shares
from components.pipeline.new_tasks import (
    NewTasks,
    find_new_tasks,
    recorded_new_tasks,
    with_tasks_now,
)
from components.pipeline.stored_batch import read_kept, store_raw
from components.pipeline.taken_out import stays_out
from components.workspace.batch_files import append_entry, items_path, raw_path, set_batch_aside
from components.workspace.root import Workspace
from components.workspace.stored_files import store_files

AT_ONCE_BYTES = 5_000_000
"""A larger file takes longer to read twice than what a run loads takes to load."""


@dataclass(frozen=True, slots=True)
class Validated:
    """A batch after validation. `refused` is the reason why none of it is used, or None.

    `warnings`: what people should know of the rows that are used, before these are trained on.
    """

    arrival: views.Arrival
    reading: Reading
    validation: Validation
    warnings: tuple[str, ...] = ()

    @property
    def batch(self) -> str:
        """The batch's digest."""
        return self.arrival.batch

    @property
    def refused(self) -> str | None:
        """Why the whole batch is refused."""
        return self.validation.refused


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome of a batch: promoted, held, rejected, refused, quarantined, pooled or queued.

    `headline` says why, in one line for people; `version` is None where none was trained;
    `notes` are lines of what else people should hear of, `new_tasks` what the root did not
    know before; `source` is the file that it came from, `pooled` the files of the small batches
    that it was made of; `broken`: how many of its rows are in quarantine by themselves;
    `blocked`: how many were not trained on because they, or nearly the same texts, are held out;
    `settle` says all that it takes to settle a held batch; `causes`: what probably went wrong with
    a batch that was held or rejected, where the facts show it; of one that was promoted, labels
    that look wrong.
    """

    batch: str
    action: str
    headline: str
    version: int | None
    notes: tuple[str, ...] = ()
    new_tasks: NewTasks = field(default_factory=NewTasks)
    source: str = ""
    pooled: tuple[str, ...] = ()
    broken: int = 0
    blocked: int = 0
    settle: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch ready to be learned and examined.

    `exams`: those that its candidate sits, as they stood before the split: every exam of a task
    that the champion knows or the batch brings; `pools`: those of tasks that it knows. `snapshot`:
    the digest of all exams and pools of that moment. `wall`: the digest of all that was held out
    or trained on by then, the behaviour cases included. `batch` is "" where a candidate comes from
    none.
    """

    batch: str
    parent: views.Version | None
    split: Split
    exams: tuple[Exam, ...]
    snapshot: str
    wall: str
    cases: CaseFile | None = None
    pools: tuple[Exam, ...] = ()

    @property
    def rows(self) -> tuple[Item, ...]:
        """The batch's rows on both sides of the split."""
        return self.split.train + self.split.holdout

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks that the batch brings."""
        return frozenset(item.task for item in self.rows)

    @property
    def known(self) -> frozenset[str]:
        """The tasks that the champion has learned: each has an anchor."""
        return frozenset(self.parent.anchors) if self.parent else frozenset()


def begin(ws: Workspace, lease: Lease, batch: str) -> views.Arrival:
    """Mark a batch as running and return its inbox row."""
    ws.ledger.append(BatchStarted(batch=batch), lease)
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # the inbox is where `batch` came from
    return arrival


def refuse_at_once(ws: Workspace, lease: Lease, batch: str) -> Settled | None:
    """Refuse a queued batch that breaks the contract; None, and nothing done, where it does not.

    This loads nothing that is slow to load, so that a bad file is refused in a second. A file that
    is large, damaged or not to be learned again is left to its run.
    """
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # the inbox is where `batch` came from
    raw = views.arrived(ws.ledger, arrival).raw
    left_out = views.kept_out(ws.ledger, batch) is not None
    if arrival.status != "queued" or left_out or not raw or raw["size"] > AT_ONCE_BYTES:
        return None
    try:
        reading, _ = with_tasks_now(ws, read_kept(ws, lease, arrival))
    except DataRejected:
        return None
    if hold_to_contract(reading, ws.settings.data, known_labels(ws), hold_plainly).refused is None:
        return None
    return refuse(ws, lease, validate(ws, lease, begin(ws, lease, batch), hold_plainly))


def validate(
    ws: Workspace, lease: Lease, arrival: views.Arrival, run: Run = run_checks
) -> Validated:
    """Read the stored bytes again and hold them to the contract; `run` computes the checks.

    Raises:
        DataRejected: they are not what arrived any more, and no good copy is left; or they
            cannot be read under today's settings.
    """
    reading, renamed = with_tasks_now(ws, read_kept(ws, lease, arrival))
    known = known_labels(ws)
    validation = hold_to_contract(reading, ws.settings.data, known, run)
    prepare_rows(ws.quarantine, arrival.batch, arrival.source, validation.rejected)
    told = () if validation.refused else (*warnings(ws, validation.accepted, known),)
    event = BatchValidated(
        batch=arrival.batch,
        accepted=len(validation.accepted),
        rejected=len(validation.rejected),
        reasons=reason_counts(validation),
        checks=ws.write_document(list(validation.checks)),
        **find_new_tasks(ws, validation.accepted),
        renamed=renamed or None,
        warnings=[*told] or None,
    )
    if validation.rejected:
        append_entry(ws, lease, event, arrival.batch)
    else:
        ws.ledger.append(event, lease)
    return Validated(arrival, reading, validation, told)


def refuse(ws: Workspace, lease: Lease, validated: Validated) -> Settled:
    """Store a batch that is refused whole, enter it in quarantine and record it."""
    rows = len(validated.reading.rows) + len(validated.reading.problems)
    return _refuse(ws, lease, validated.arrival, str(validated.refused), rows)


def leave_out(
    ws: Workspace, lease: Lease, arrival: views.Arrival, removal: views.Removal
) -> Settled:
    """Refuse a batch that people had taken out, and that a rollback queued again."""
    rows = len(views.split_side(ws.ledger, arrival.batch, "train"))
    return _refuse(ws, lease, arrival, stays_out(removal), rows)


DEFECT = "Ratchet failed on it"
"""How the reason begins of a batch whose run met an error that nobody foresaw."""


def met_defect(ws: Workspace, batch: str) -> bool:
    """Tell whether the last run of a queued batch met an error that nobody foresaw."""
    arrival = views.arrival(ws.ledger, batch)
    return arrival is not None and arrival.reason.startswith(DEFECT)


def set_aside(ws: Workspace, lease: Lease, batch: str, error: Exception) -> Settled:
    """Refuse a batch that cannot be trained on, so that it does not block the queue."""
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # the inbox is where `batch` came from
    reason = str(error) if isinstance(error, RatchetError) else _defect(error)
    return _refuse(ws, lease, arrival, reason, 0)


def _defect(error: Exception) -> str:
    said = printable(f"{type(error).__name__}: {error}")
    return f"{DEFECT}, which is a defect of Ratchet: {said}. Please report it."


def _refuse(ws: Workspace, lease: Lease, arrival: views.Arrival, reason: str, rows: int) -> Settled:
    store_raw(ws, lease, arrival)
    set_batch_aside(ws, arrival, reason)
    refused = BatchRefused(batch=arrival.batch, reason=reason, rows=rows)
    append_entry(ws, lease, refused, arrival.batch)
    return settled(ws, arrival.batch)


def is_decided(ws: Workspace, batch: str) -> bool:
    """Tell whether what became of a batch is recorded: whatever fails then, it has had its run."""
    arrival = views.arrival(ws.ledger, batch)
    return arrival is not None and arrival.status not in ("queued", "running")


def put_back(ws: Workspace, lease: Lease, batch: str, error: Exception) -> None:
    """Queue a batch again whose run failed by no fault of its own; it keeps its place."""
    reason = _defect(error)
    if isinstance(error, RatchetError):
        reason = printable(f"Its last run failed: {error.message}")
    ws.ledger.append(BatchRequeued(batch=batch, reason=reason), lease)


def give_up(ws: Workspace, lease: Lease, kind: Literal["training", "registration"]) -> None:
    """Close what was begun of a kind and has no outcome: no holder of the lease works at it.

    The same work may be begun again under its key; work that changed meanwhile has another key,
    and would leave this one open forever.
    """
    if kind == "training":
        for begun in views.open_intents(ws.ledger, TrainingBegun):
            ws.ledger.append(TrainingAbandoned(key=begun.key, batch=begun.batch), lease)
    else:
        for left in views.open_intents(ws.ledger, RegistrationBegun):
            ws.ledger.append(RegistrationAbandoned(key=left.key, batch=left.batch), lease)


def settled(ws: Workspace, batch: str) -> Settled:
    """Return what became of a batch, as the inbox has it."""
    arrival = views.arrival(ws.ledger, batch)
    assert arrival is not None  # the inbox is where `batch` came from
    version = views.version(ws.ledger, arrival.version) if arrival.version else None
    headline = arrival.reason or (version.headline if version else "")
    new_tasks = recorded_new_tasks(ws, batch)
    validated = views.newest_of_batch(ws.ledger, BatchValidated, arrival)
    kept = views.quarantined(ws.ledger, batch)
    made = views.newest_of_batch(ws.ledger, SplitMade, arrival)
    return Settled(
        batch,
        arrival.status,
        headline,
        arrival.version,
        notes=tuple((validated and validated.warnings) or ()),
        new_tasks=new_tasks,
        source=arrival.source,
        pooled=tuple(each.source for each in views.members(ws.ledger, batch)),
        broken=sum(each.rows for each in kept if each.kind == "rows"),
        blocked=made.blocked if made else 0,
        settle=ways_to_settle(ws, version) if version and arrival.status == "held" else (),
        causes=causes_for(ws, arrival),
    )


def store(ws: Workspace, lease: Lease, validated: Validated) -> None:
    """Store the batch's bytes and its accepted items by DVC, push them and read back."""
    batch = validated.batch
    key = f"store:{batch}"
    ws.ledger.append(StoreBegun(key=key, batch=batch), lease)
    write_items(items_path(ws, batch), validated.validation.accepted)
    paths = (raw_path(ws, batch, validated.arrival.suffix), items_path(ws, batch))
    stored = store_files(ws, paths)
    ws.ledger.append(StoreDone(key=key, batch=batch, files=stored), lease)


def split(ws: Workspace, lease: Lease, validated: Validated) -> Prepared:
    """Take the snapshot of every exam, then split the batch's own items.

    Raises:
        ConfigError: the file of behaviour cases is missing or not sound.
        Corrupted: items of an exam that the candidate sits are missing.
    """
    batch, settings, cases = validated.batch, ws.settings, case_file(ws)
    parent = views.champion(ws.ledger)
    most = settings.holdout.max_items
    exams = views.exams(ws.ledger, most, parent.anchors if parent else {})
    pools = views.pools(ws.ledger, most)
    snapshot = ws.write_document(snapshot_of([*exams, *pools]))
    ws.ledger.append(SnapshotTaken(batch=batch, snapshot=snapshot), lease)
    items = validated.validation.accepted
    near = [item.near for item in items]
    held, trained = views.held_among(ws.ledger, near), views.trained_among(ws.ledger, near)
    held |= cases.near if cases else frozenset()
    once_held = views.once_held_among(ws.ledger, near)
    fractions = held_out_shares(ws, [i for i in items if i.near not in held | trained])
    sides = split_items(items, fractions, settings.seed, held, trained, once_held)
    made = SplitMade(
        batch=batch,
        train=_rows(sides.train),
        holdout=_rows(sides.holdout),
        blocked=len(sides.blocked),
    )
    ws.ledger.append(made, lease)
    wall = views.wall(ws.ledger)
    wall = json_digest([wall, cases.digest]) if cases else wall
    prepared = Prepared(batch, parent, sides, (), snapshot, wall, cases)
    sat = prepared.known | prepared.tasks
    return replace(
        prepared,
        exams=open_exams(ws, (exam for exam in exams if exam.task in sat)),
        pools=open_exams(ws, (pool for pool in pools if pool.task in prepared.known)),
    )


def case_file(ws: Workspace) -> CaseFile | None:
    """Return the behaviour cases that the settings name; None where they name none.

    Raises:
        ConfigError: the file is missing or not sound.
    """
    asked = ws.settings.gate.checks.behaviour
    if asked.file is None or asked.policy == "ignore":
        return None
    return read_cases(ws.root / asked.file, ws.identity)


def known_labels(ws: Workspace) -> frozenset[str]:
    """Return the champion's labels; none without a champion."""
    parent = views.champion(ws.ledger)
    if parent is None:
        return frozenset()
    from components.model.bundle import open_bundle

    return frozenset(open_bundle(ws.bundles, parent.bundle).labels)


def reason_counts(validation: Validation) -> dict[str, int]:
    """Count the reasons; "duplicate of line 12" counts as a duplicate, whichever line it copies."""
    counts = Counter(
        re.sub(r" of line \d+$", "", reason)
        for row in validation.rejected
        for reason in row.reasons
    )
    return dict(sorted(counts.items()))


def _rows(items: tuple[Item, ...]) -> list[tuple[str, str, str]]:
    return [(item.digest, item.near, item.task) for item in items]
