"""The probable cause of what became of a version, for every place that says what became of it."""

from __future__ import annotations

from components.errors import Corrupted
from components.evaluation.causes import causes
from components.ledger import views
from components.workspace.root import Workspace


def causes_of(ws: Workspace, version: views.Version | None) -> tuple[str, ...]:
    """Return the probable causes that a version's evidence shows, each as one line.

    Empty where it shows none; evidence that is damaged says nothing here: `audit verify` names it.
    """
    if version is None:
        return ()
    try:
        return tuple(map(str, causes(ws.read_document(version.evidence))))
    except Corrupted:
        return ()
