"""Events of a batch, from its arrival to its split, and of what is kept in quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from components.ledger.events.kind import Payload, event

Mark = Mapping[str, Any]
"""A file's size and SHA-256; for a stored file also its path and MD5."""

Row = Sequence[str]
"""An item of a split: its digest, its near-duplicate key and its task."""


@event(
    "batch.arrived",
    read_by=(
        "inbox",
        "quarantine",
        "ledger.views.about_events",
        "operations.quarantine_restoration",
        "operations.verification.batches",
        "operations.verification.quarantine",
        "operations.notices",
        "operations.standing",
    ),
    leased=False,
)
class BatchArrived(Payload):
    """A file arrived: it is in the inbox, or `refused` because it cannot be read."""

    batch: str
    source: str
    task: str
    suffix: str
    refused: str | None = None
    raw: Mark | None = None
    content: str | None = None
    quarantine: Mapping[str, Mark] | None = None


@event("object.taken", read_by=("pipeline.polling",), leased=False)
class ObjectTaken(Payload):
    """An object under an address that is polled was taken in, as the batch; null: it is unusable.

    `mark`: of its bytes, as its listing told: what is written anew there has another.
    """

    address: str
    mark: str
    batch: str | None


@event("batch.started", read_by=("inbox",))
class BatchStarted(Payload):
    """A run took the batch out of the queue."""

    batch: str


@event(
    "batch.validated",
    read_by=(
        "quarantine",
        "pipeline.new_tasks",
        "pipeline.preparation",
        "pipeline.reporting",
        "operations.quarantine_restoration",
    ),
)
class BatchValidated(Payload):
    """The batch was checked against the data contract; refused rows are counted by reason.

    `new_tasks`: task -> rows, for tasks that are new to the root; `resembles`: task -> the
    one with a similar spelling. `renamed`: earlier names of tasks that rows came under -> what
    the tasks are called now. `warnings`: what people should know of the accepted rows, in
    sentences.
    """

    batch: str
    accepted: int
    rejected: int
    reasons: Mapping[str, int]
    checks: str
    new_tasks: Mapping[str, int] = field(default_factory=dict)
    resembles: Mapping[str, str | None] = field(default_factory=dict)
    renamed: Mapping[str, str] | None = None
    warnings: Sequence[str] | None = None
    quarantine: Mapping[str, Mark] | None = None


@event(
    "batch.refused",
    read_by=(
        "inbox",
        "quarantine",
        "operations.quarantine_restoration",
        "operations.notices",
    ),
)
class BatchRefused(Payload):
    """The whole batch cannot be trained on and was put in quarantine."""

    batch: str
    reason: str
    rows: int
    quarantine: Mapping[str, Mark] | None = None


@event("batch.held", read_by=("inbox", "operations.probation"))
class BatchHeld(Payload):
    """The batch waits before it is split and trained: a version is on probation."""

    batch: str
    reason: str


@event("batch.requeued", read_by=("inbox",))
class BatchRequeued(Payload):
    """The batch's run failed, was interrupted or waited, not because of it: it is queued again."""

    batch: str
    reason: str


@event("batch.restored")
class BatchRestored(Payload):
    """A damaged or missing stored file was restored from DVC; `damaged`: where the old one is."""

    batch: str
    path: str
    md5: str
    damaged: str | None


@event("store.begun", read_by=("operations.verification.batches",), intent="opens")
class StoreBegun(Payload):
    """The batch's files are about to be stored by DVC and pushed."""

    key: str
    batch: str | None = None


@event(
    "store.done",
    read_by=(
        "pipeline.stored_batch",
        "workspace.stored_files",
        "operations.verification.batches",
        "operations.verification.dvc_settings",
    ),
    leased=False,
    intent="closes",
)
class StoreDone(Payload):
    """The batch's files were stored, pushed and read back."""

    key: str
    batch: str
    files: Sequence[Mark]


@event("snapshot.taken")
class SnapshotTaken(Payload):
    """The exams as they stood before the batch was split, as a document."""

    batch: str
    snapshot: str


@event("split.made", read_by=("splits", "operations.rollback_undo", "pipeline.preparation"))
class SplitMade(Payload):
    """The batch's items were split; `blocked` counts near-duplicates of items on the other side."""

    batch: str
    train: Sequence[Row]
    holdout: Sequence[Row]
    blocked: int


@event("batch.pooled", read_by=("inbox", "versions", "pools"))
class BatchPooled(Payload):
    """Small batches are trained together, as the new batch `batch`, and no longer by themselves.

    `members`: those that were held, oldest first, and last the one whose turn it was.
    """

    batch: str
    members: Sequence[str]


@event("quarantine.released", read_by=("inbox", "quarantine", "ledger.views.about_removals"))
class QuarantineReleased(Payload):
    """A person released a batch (`kind`: batch) or its refused rows (rows), `as` that batch.

    `kind` held: the rows of a batch that waited came back as another one, with another task.
    """

    batch: str
    kind_: str
    as_: str
