"""Questions about batches that were taken out of the champion (`ratchet forget`).

Concept: a request names the batch, and the examination after it the version that lacks it. Whether
a batch is in the champion follows from the lineage: its newest version that brought the batch or
took it out decides. So a rollback past a removal brings the batch back without another event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from components.ledger.events import ForgetAsked, QuarantineReleased
from components.ledger.ledger import Ledger
from components.ledger.views.about_events import examined, told
from components.ledger.views.about_versions import Version, lineage, versions


@dataclass(frozen=True, slots=True)
class Removal:
    """A version that was made without a batch that its parent had learned, and why.

    `asked`: the number of the event that asked for it.
    """

    version: Version
    batch: str
    reason: str
    asked: int


def removals(ledger: Ledger) -> list[Removal]:
    """Return every version that was made by taking a batch out, oldest first."""
    requests = told(ledger, ForgetAsked)
    found = []
    for version in versions(ledger) if requests else []:
        event = examined(ledger, version) if version.batch is None else None
        if event is not None and event.payload.origin == "forget":
            asked = [each for each in requests if each.seq < event.seq][-1]
            said = asked.payload
            found.append(Removal(version, said.batch, said.reason, asked.seq))
    return found


def taken_out(ledger: Ledger, batch: str) -> Removal | None:
    """Return the removal by which the champion lacks a batch that was let in, if it does."""
    line = lineage(ledger)
    return _last_word(line, removals(ledger), batch)[1]


def kept_out(ledger: Ledger, batch: str) -> Removal | None:
    """Return the removal for which a batch that a rollback queued again is not to be learned.

    None once a person released the batch after it was asked for.
    """
    own = [each for each in removals(ledger) if each.batch == batch]
    barred = [each for each in own if each.version.status == "barred"]
    if not barred:
        return None
    released = told(ledger, QuarantineReleased, after=barred[-1].asked)
    return None if any(each.payload.as_ == batch for each in released) else barred[-1]


def brought_back(
    ledger: Ledger, line: Sequence[Version], passed: Collection[int] | None = None
) -> list[Removal]:
    """Return the removals that were rolled past and whose batch is in a champion again.

    `line`: that champion and its ancestors, newest first; `passed`: the versions rolled past, all
    barred ones where None. A batch that was learned anew after its removal is meant to be there.
    """
    every = removals(ledger)
    found: dict[str, Removal] = {}
    for each in every:
        gone = each.version.status == "barred" if passed is None else each.version.version in passed
        brought = _last_word(line, every, each.batch)[0]
        if gone and brought is not None and brought.version < each.version.version:
            found[each.batch] = each
    return list(found.values())


def _last_word(
    line: Iterable[Version], every: Sequence[Removal], batch: str
) -> tuple[Version | None, Removal | None]:
    """Return the newest version of a line that brought a batch, or the removal that is newer."""
    own = {each.version.version: each for each in every if each.batch == batch}
    for version in line:
        if version.batch == batch:
            return version, None
        if version.version in own:
            return None, own[version.version]
    return None, None
