"""Events of a candidate, from training to decision, and of the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from components.ledger.events.batches import Mark
from components.ledger.events.kind import Payload, event

Origin = Literal["batch", "adopt", "rebase", "amend", "forget"]
"""What a candidate came from; only a batch brings rows of its own."""


@event("training.begun", read_by=("pipeline.preparation",), intent="opens")
class TrainingBegun(Payload):
    """A candidate is about to be trained; `key` names the lesson."""

    key: str
    batch: str


@event("training.done", read_by=("trained", "operations.verification.bundles"), intent="closes")
class TrainingDone(Payload):
    """The lesson gave this bundle."""

    key: str
    batch: str
    bundle: str
    seconds: float


@event("training.abandoned", intent="closes")
class TrainingAbandoned(Payload):
    """A training that was started will not be finished: its process is gone."""

    key: str
    batch: str


@event(
    "candidate.examined",
    read_by=(
        "exam_use",
        "ledger.views.about_events",
        "operations.exam_overview",
        "operations.planning",
    ),
)
class CandidateExamined(Payload):
    """The gate decided on a candidate; the event has everything that promoting it would do.

    `exams`: exam -> whether it turned the candidate away; `spent`: those where it came so near to
    the anchor's margin that it counts for good. `origin`: batch, adopt, rebase, amend or
    forget. `parent`: the version that was champion. `anchors`: task -> the version that the task
    would be held against; null means the candidate, which has no number yet. `joins`: task -> the
    exam that its held-out rows would join. An event without `anchors` is from an earlier version
    of Ratchet: it proposes nothing.
    """

    batch: str | None
    bundle: str
    snapshot: str
    evidence: str
    action: str
    headline: str
    settings: str | None = None
    exams: Mapping[str, bool] = field(default_factory=dict)
    origin: Origin | None = None
    parent: int | None = None
    anchors: Mapping[str, int | None] | None = None
    joins: Mapping[str, str] | None = None
    spent: Sequence[str] | None = None


@event("candidate.judged", read_by=("exam_use",))
class CandidateJudged(CandidateExamined):
    """`candidate.examined` as it was called before; it is read wherever that is."""


@event("scores.distrusted")
class ScoresDistrusted(Payload):
    """Stored answers of a bundle were wrong and were recomputed."""

    bundle: str
    items: int
    reason: str


@event(
    "registration.begun",
    read_by=("operations.reconciliation", "pipeline.preparation"),
    intent="opens",
)
class RegistrationBegun(Payload):
    """A version is about to be registered in MLflow. `submission`: the document of its row."""

    key: str
    batch: str | None
    bundle: str
    parent: int | None
    evidence: str
    headline: str
    submission: str | None = None


@event(
    "registration.done",
    read_by=(
        "versions",
        "inbox",
        "pipeline.pages",
        "pipeline.registration_records",
        "workspace.unknown_files",
        "operations.verification.bundles",
        "operations.verification.extra_files",
        "operations.verification.registry",
    ),
    intent="closes",
)
class RegistrationDone(Payload):
    """MLflow has the version. `files`, `texts`: documents that list the files of its run."""

    key: str
    batch: str | None
    bundle: str
    parent: int | None
    evidence: str
    headline: str
    version: int
    run: str
    submission: str | None = None
    files: str | None = None
    texts: str | None = None


@event("registration.rebuilt", read_by=("pipeline.registration_records",))
class RegistrationRebuilt(Payload):
    """A version registered by an older Ratchet got its missing documents."""

    key: str
    version: int
    run: str
    submission: str
    files: str
    texts: str


@event("registration.abandoned", intent="closes")
class RegistrationAbandoned(Payload):
    """A registration that was started never reached MLflow."""

    key: str
    batch: str | None


@event(
    "approval.given",
    read_by=("ledger.views.about_people", "operations.approval", "operations.explanation"),
)
class ApprovalGiven(Payload):
    """A person approved or rejected a version; what follows from it is an event of its own.

    `evidence`: what the word is about. `refused`: why it does not count; null where it does. `by`:
    who had logged in, and `rights`: what this person was then; null where no login was needed.
    `call`: the number of the event by which MLflow's server recorded the word.
    """

    version: int
    batch: str | None
    evidence: str
    word: Literal["approve", "reject"]
    reason: str
    refused: str | None = None
    by: str | None = None
    rights: Sequence[str] | None = None
    call: int | None = None


@event("version.promoted", read_by=("versions", "pointer", "inbox", "holdout", "probations"))
class VersionPromoted(Payload):
    """The version became champion.

    `anchors`: task -> version that the task is held against from now on; `exams`: task -> the
    exam that the batch's own holdout rows join. `probation_ends`: the version is unconfirmed, and
    by when that ends, in ISO 8601; `probation_labels`: so many labels end it earlier.
    """

    version: int
    batch: str | None
    parent: int | None
    anchors: Mapping[str, int]
    exams: Mapping[str, str]
    reason: str
    probation_ends: str | None = None
    probation_labels: int | None = None


@event("probation.examined", read_by=("probations",))
class ProbationExamined(Payload):
    """A version on probation was examined on answers that did not admit it.

    `snapshot`: the items that were asked, as a document. Labels that come to the same items later
    are no further look.
    """

    version: int
    snapshot: str
    evidence: str
    action: str


@event(
    "probation.ended",
    read_by=(
        "versions",
        "pointer",
        "inbox",
        "holdout",
        "probations",
        "operations.explanation",
    ),
)
class ProbationEnded(Payload):
    """A version is confirmed; or its parent is champion again, and it is held, not barred.

    `to`: the champion from now on. `labels`: how many had come that did not admit it. `anchors`: of
    a confirmed version, as its examination proposed them. `evidence`: of the last examination; null
    where there was nothing to examine.
    """

    version: int
    batch: str | None
    to: int
    confirmed: bool
    reason: str
    labels: int
    evidence: str | None = None
    anchors: Mapping[str, int] | None = None


@event(
    "version.held",
    read_by=(
        "versions",
        "inbox",
        "pipeline.precedence",
        "operations.notices",
        "operations.required_actions",
    ),
)
class VersionHeld(Payload):
    """The gate could not decide: the version waits for a person."""

    version: int
    batch: str | None
    reason: str


@event(
    "version.rejected",
    read_by=(
        "versions",
        "inbox",
        "quarantine",
        "operations.notices",
        "operations.quarantine_restoration",
    ),
)
class VersionRejected(Payload):
    """The version was shown to lose too much; its batch went to quarantine."""

    version: int
    batch: str | None
    reason: str
    rows: int
    quarantine: Mapping[str, Mark] | None = None


@event(
    "version.superseded",
    read_by=("versions", "inbox", "pipeline.promotion", "pipeline.precedence", "pipeline.pages"),
)
class VersionSuperseded(Payload):
    """The version's examination no longer counts; `requeue`: its batch is queued again.

    `passed`: because another version became champion while it waited for labels.
    """

    version: int
    batch: str | None
    reason: str
    requeue: bool
    passed: bool | None = None


@event("version.exported", read_by=("operations.required_actions",), leased=False)
class VersionExported(Payload):
    """A version was written into a folder of its own, as a plain Hugging Face model.

    `folder`: its place, counted from the root if it lies in there; `status`: of the version, then.
    """

    version: int
    bundle: str
    folder: str
    status: str


@event("champion.watched")
class ChampionWatched(Payload):
    """The champion was examined again on the exams in `snapshot`."""

    version: int
    snapshot: str
    regressions: Sequence[Mapping[str, Any]]


@event(
    "champion.rolled-back",
    read_by=(
        "versions",
        "pointer",
        "inbox",
        "holdout",
        "quarantine",
        "operations.explanation",
        "operations.forgetting",
        "operations.notices",
        "operations.quarantine_restoration",
        "operations.rollback_undo",
        "pipeline.pages",
        "pipeline.version_words",
    ),
    schema=2,
)
class ChampionRolledBack(Payload):
    """An ancestor became champion again.

    `barred`: the versions that were rolled back; `offending_batch`: the one that is quarantined;
    `requeued`: batches that are queued again; `cost`: the tasks, labels, batches and versions lost,
    and as `returned` the batches that are in the champion again, each with the version that had
    taken it out.
    """

    from_: int
    to: int
    barred: Sequence[int]
    offending_batch: str | None
    offending_rows: int
    requeued: Sequence[str]
    reason: str
    cost: Mapping[str, Any]
    regressions: Sequence[Mapping[str, Any]]
    quarantine: Mapping[str, Mark] | None = None

    @classmethod
    def upgraded(cls, schema: int, said: dict[str, Any]) -> dict[str, Any]:
        """Give the fields that schema 1 called `guilty` and `guilty_rows` their names."""
        names = {"guilty": "offending_batch", "guilty_rows": "offending_rows"}
        return {names.get(name, name): value for name, value in said.items()}


@event(
    "rollback.undone",
    read_by=(
        "versions",
        "pointer",
        "inbox",
        "holdout",
        "quarantine",
        "probations",
        "operations.explanation",
        "operations.notices",
        "pipeline.pages",
    ),
)
class RollbackUndone(Payload):
    """A rollback by hand was taken back: the version before it is champion again.

    `rollback`: the number of its event; `from_`: the champion until now. `restored`: the versions
    that it had barred, each with its batch promoted again; a probation that it cut short goes on.
    """

    rollback: int
    from_: int
    to: int
    restored: Sequence[int]
    batches: Sequence[str]
    reason: str


@event("alias.mirrored")
class AliasMirrored(Payload):
    """An alias in MLflow was changed to match the ledger; null if it was removed."""

    alias: str
    version: int | None
    found: int | None = None
