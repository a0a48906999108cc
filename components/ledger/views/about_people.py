"""Questions about people with an account, their calls to MLflow's server, and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.ledger.events import (
    ApprovalGiven,
    LabelGiven,
    PersonEnrolled,
    PersonRemoved,
    Recorded,
    RegistryCalled,
)
from components.ledger.ledger import Ledger
from components.ledger.views.about_events import told


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody said of a version; `refused`: why it does not count, "" where it does."""

    word: Literal["approve", "reject"]
    speaker: str
    reason: str
    evidence: str
    refused: str


def people(ledger: Ledger) -> dict[str, frozenset[str]]:
    """Return who has an account -> the roles of that person, by name."""
    changes = [*told(ledger, PersonEnrolled), *told(ledger, PersonRemoved)]
    found: dict[str, frozenset[str]] = {}
    for each in sorted(changes, key=lambda each: each.seq):
        said = each.payload
        if isinstance(said, PersonEnrolled):
            found[said.name] = frozenset(said.roles)
        elif isinstance(said, PersonRemoved):
            found.pop(said.name, None)
    return dict(sorted(found.items()))


def words(ledger: Ledger, version: int) -> list[Word]:
    """Return what people said of a version, oldest first."""
    return [
        Word(said.word, said.by or each.actor, said.reason, said.evidence, said.refused or "")
        for each in told(ledger, ApprovalGiven)
        if (said := each.payload).version == version
    ]


def open_calls(
    ledger: Ledger, kind: type[ApprovalGiven] | type[LabelGiven]
) -> list[Recorded[RegistryCalled]]:
    """Return what was asked of MLflow's server since the last word of a kind taken from there."""
    taken = max((each.payload.call or 0 for each in told(ledger, kind)), default=0)
    return told(ledger, RegistryCalled, after=taken)
