"""Events of a root as a whole: its settings, its brought exams, and its ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.ledger.events.batches import Mark
from components.ledger.events.kind import Payload, event


@event(
    "settings.seen",
    read_by=(
        "workspace.settings_history",
        "operations.verification.ledger",
        "operations.verification.settings",
    ),
)
class SettingsSeen(Payload):
    """A command found changed settings. `changed`: field -> (before, now)."""

    settings: str
    changed: Mapping[str, Sequence[Any]]


@event("setting.chosen", read_by=("choices",))
class SettingChosen(Payload):
    """A setting with the value `auto` was chosen by measurement; the newest one holds."""

    name: str
    value: Any
    why: str


@event(
    "holdout.begun",
    read_by=("operations.holdouts", "operations.verification.batches"),
    intent="opens",
)
class HoldoutBegun(Payload):
    """A person's exam items, from the file `name`, are about to be stored."""

    key: str
    name: str
    exam: str
    task: str | None = None


@event(
    "holdout.done",
    read_by=(
        "holdout",
        "ledger.views.about_labels",
        "workspace.stored_files",
        "workspace.unknown_files",
        "operations.pool_removal",
        "operations.verification.batches",
        "operations.verification.dvc_settings",
        "operations.item_trail",
    ),
    intent="closes",
)
class HoldoutDone(Payload):
    """The exam items were stored and are now held out. `items`: (digest, near) pairs.

    `seed`: of a pool's inputs, what the order of questions is drawn from.
    """

    key: str
    name: str
    exam: str
    task: str
    source: str
    items: Sequence[Sequence[str]]
    stored: Mark
    seed: str | None = None


@event("holdout.abandoned", intent="closes")
class HoldoutAbandoned(Payload):
    """Adding or relabelling exam items was cancelled: the same command has to be run again."""

    key: str
    exam: str
    reason: str


@event(
    "ledger.accepted",
    read_by=(
        "ledger.ledger",
        "workspace.unknown_files",
        "operations.verification.mlflow_extras",
    ),
)
class LedgerAccepted(Payload):
    """A person accepted this ledger, whatever the head file says.

    `noted`, `head`: the newest event in the head file and in the ledger; `moved`: files moved to
    `data/unknown`; `versions`: MLflow's versions that the ledger does not know.
    """

    noted: Mapping[str, Any] | None
    head: Mapping[str, Any]
    moved: Sequence[str]
    versions: Sequence[Mapping[str, Any]]


@event("schedule.kept", read_by=("ledger.views.about_schedules",), leased=False)
class ScheduleKept(Payload):
    """What a schedule asks for was done, for its time `due` and all times before.

    `begun`: nothing was done: it is from here on that the schedule holds.
    """

    job: str
    due: str
    begun: bool | None = None
