"""The typed events of the ledger: one frozen class a kind.

Concept: who causes an event appends `BatchStarted(batch=...)`; who reads one gets the same class
back, whichever Ratchet wrote it. docs/events.md lists all kinds.

A new kind is a class with `@event(...)` in `batches`, `versions` or `root`, its name below, and
where it changes a table, a rule in the module of `projections` that is called like its own. A
kind whose fields change keeps its name: `schema=2` and `upgraded` (see `kind`).
"""

from components.ledger.events.batches import (
    BatchArrived,
    BatchRefused,
    BatchRequeued,
    BatchRestored,
    BatchStarted,
    BatchValidated,
    Mark,
    QuarantineReleased,
    SnapshotTaken,
    SplitMade,
    StoreBegun,
    StoreDone,
)
from components.ledger.events.kind import (
    KINDS,
    Kind,
    NewerEvent,
    Payload,
    Recorded,
    UnknownEvent,
    decode,
    encode,
    from_said,
    read,
)
from components.ledger.events.root import (
    HoldoutAbandoned,
    HoldoutBegun,
    HoldoutDone,
    LedgerAccepted,
    SettingChosen,
    SettingsSeen,
)
from components.ledger.events.versions import (
    AliasMirrored,
    CandidateJudged,
    ChampionRolledBack,
    ChampionWatched,
    RegistrationAbandoned,
    RegistrationBegun,
    RegistrationDone,
    RegistrationRebuilt,
    ScoresDistrusted,
    TrainingAbandoned,
    TrainingBegun,
    TrainingDone,
    VersionHeld,
    VersionPromoted,
    VersionRejected,
    VersionSuperseded,
)

__all__ = [
    "KINDS",
    "AliasMirrored",
    "BatchArrived",
    "BatchRefused",
    "BatchRequeued",
    "BatchRestored",
    "BatchStarted",
    "BatchValidated",
    "CandidateJudged",
    "ChampionRolledBack",
    "ChampionWatched",
    "HoldoutAbandoned",
    "HoldoutBegun",
    "HoldoutDone",
    "Kind",
    "LedgerAccepted",
    "Mark",
    "NewerEvent",
    "Payload",
    "QuarantineReleased",
    "Recorded",
    "RegistrationAbandoned",
    "RegistrationBegun",
    "RegistrationDone",
    "RegistrationRebuilt",
    "ScoresDistrusted",
    "SettingChosen",
    "SettingsSeen",
    "SnapshotTaken",
    "SplitMade",
    "StoreBegun",
    "StoreDone",
    "TrainingAbandoned",
    "TrainingBegun",
    "TrainingDone",
    "UnknownEvent",
    "VersionHeld",
    "VersionPromoted",
    "VersionRejected",
    "VersionSuperseded",
    "decode",
    "encode",
    "from_said",
    "read",
]
