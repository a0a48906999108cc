"""Events by which people correct afterwards what tasks, exams and anchors are."""

from __future__ import annotations

from collections.abc import Mapping

from components.ledger.events.kind import Payload, event
from components.ledger.events.root import HoldoutDone


@event(
    "task.renamed",
    read_by=(
        "holdout",
        "exam_use",
        "splits",
        "answers",
        "versions",
        "renamed_tasks",
        "ledger.views.about_corrections",
    ),
)
class TaskRenamed(Payload):
    """The task `old` is called `new` from now on; `merged`: there was a task `new` already.

    Its exams, pool, anchors, splits and answers are those of `new`; rows that still come under
    the old name are too.
    """

    old: str
    new: str
    merged: bool
    reason: str


@event(
    "task.retired", read_by=("holdout", "exam_use", "versions", "ledger.views.about_corrections")
)
class TaskRetired(Payload):
    """The task is not examined any more: its exams are retired, it has no anchor.

    What was trained on stays trained on; what is held out stays held out.
    """

    task: str
    reason: str


@event("forget.asked", read_by=("ledger.views.about_removals",))
class ForgetAsked(Payload):
    """A candidate is about to be made of the champion without a batch that it learned.

    `version`: the champion; `rows`: of the batch, that its head was solved on. What becomes of the
    candidate is told as of any other, with the origin `forget`.
    """

    version: int
    batch: str
    rows: int
    reason: str


@event("exam.retired", read_by=("holdout", "exam_use"))
class ExamRetired(Payload):
    """The exam is never sat again; its items stay held out.

    What it counted for good (`spent`) stays spent.
    """

    exam: str
    task: str
    reason: str


@event(
    "relabel.begun",
    read_by=("operations.relabelling", "operations.verification.batches"),
    intent="opens",
)
class RelabelBegun(Payload):
    """Corrected items of an exam, from the file `name`, are about to be stored.

    `replaces`: digest of an item -> digest of the same content with its new label.
    """

    key: str
    name: str
    exam: str
    task: str
    replaces: Mapping[str, str]
    reason: str


@event(
    "relabel.done",
    read_by=(
        "holdout",
        "relabelled",
        "operations.verification.batches",
        "operations.verification.dvc_settings",
        "operations.approval",
    ),
    intent="closes",
)
class RelabelDone(HoldoutDone):
    """Items of an exam were replaced by the same contents with other labels.

    `items`: the new ones; `replaces`: old digest -> new one. It is read wherever `holdout.done` is.
    """

    replaces: Mapping[str, str]
    reason: str


@event("anchor.moved", read_by=("versions", "ledger.views.about_corrections"))
class AnchorMoved(Payload):
    """A person made another version the one that a task is held against."""

    task: str
    from_: int
    to: int
    reason: str
