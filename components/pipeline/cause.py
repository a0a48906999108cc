"""The probable cause of what became of a version, for every place that says what became of it."""

from __future__ import annotations

from pathlib import Path

from components.errors import Corrupted
from components.evaluation.causes import Cause, causes, doubts
from components.ledger import views
from components.workspace.root import Workspace

KEPT = 2_000
_FOUND: dict[tuple[Path, str], tuple[Cause, ...]] = {}
"""By root and evidence, which never changes: the index asks for hundreds of them each time."""


def causes_for(ws: Workspace, arrival: views.Arrival) -> tuple[str, ...]:
    """Return the probable causes why a batch did not get in, where it was held or rejected.

    Of one that got in: why its labels look wrong, which the gate does not decide on.
    """
    if arrival.version is None or arrival.status not in ("held", "rejected", "promoted"):
        return ()
    likely = likely_causes(ws, views.version(ws.ledger, arrival.version))
    return tuple(map(str, doubts(likely) if arrival.status == "promoted" else likely))


def causes_of(ws: Workspace, version: views.Version | None) -> tuple[str, ...]:
    """Return the probable causes that a version's evidence shows, each as one line."""
    return tuple(map(str, likely_causes(ws, version)))


def likely_causes(ws: Workspace, version: views.Version | None) -> tuple[Cause, ...]:
    """Return the same as values, the clearest first.

    Empty where it shows none; evidence that is damaged says nothing here: `audit verify` names it.
    """
    if version is None:
        return ()
    key = ws.root, version.evidence
    if key not in _FOUND:
        try:
            found = causes(ws.read_document(version.evidence))
        except Corrupted:
            return ()
        if len(_FOUND) >= KEPT:
            _FOUND.clear()
        _FOUND[key] = found
    return _FOUND[key]
