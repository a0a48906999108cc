"""What every check is handed: the root, how deep to look, and the events as they are read.

Concept: the events are read once, as they stand; whether their chain holds is the ledger check's
own question. So one bad event does not keep the files of all others from being looked at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from components.errors import Corrupted, RatchetError
from components.ledger import views
from components.ledger.events import payload_of
from components.operations.verification.findings import Finding, Found, Skipped
from components.workspace.root import Workspace

Told = tuple[str, dict[str, Any]]
"""An event: its kind and its payload."""

DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, sqlite3.Error)
"""What reading damaged bytes raises, besides Ratchet's own errors and SQLAlchemy's."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A root under examination; `events` is None where the ledger can't be read at all."""

    ws: Workspace
    deep: bool
    events: tuple[Told, ...] | None
    head: str | None = None
    unread: tuple[int, ...] = field(default=())

    def told(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the payloads of these kinds, oldest first.

        Raises:
            Corrupted: the ledger can't be read.
        """
        if self.events is None:
            raise Corrupted("The ledger can't be read.", "See the findings on the ledger.")
        return [payload for kind, payload in self.events if kind in kinds]

    def relative(self, path: Path) -> str:
        """Return a path as people know it: from the root."""
        root = self.ws.root
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


AuditCheck = Callable[[Scene], Iterator[Found]]


def open_scene(ws: Workspace, deep: bool) -> Scene:
    """Read the events of a root; a ledger that can't be read leaves a scene without any.

    Raises:
        NewerEvent: a newer Ratchet wrote one of them, so this one can't prove what it says.
    """
    try:
        rows = views.events(ws.ledger)
    except (RatchetError, SQLAlchemyError, *DAMAGE):
        return Scene(ws, deep, None)
    events, unread = list[Told](), list[int]()
    for place, row in enumerate(rows, start=1):
        try:
            events.append((row.kind, payload_of(row)))
        except Corrupted:
            unread.append(place)
    return Scene(ws, deep, tuple(events), rows[-1].hash if rows else None, tuple(unread))


def guarded(name: str, check: AuditCheck, scene: Scene) -> Iterator[Found]:
    """Run one check; what keeps it from looking on is a finding, and no other check's loss."""
    try:
        yield from check(scene)
    except RatchetError as error:
        if scene.events is None and name != "ledger":
            yield Skipped(name, "the ledger can't be read")
        else:
            yield Finding(name, error.message, error.remedy)
    except (SQLAlchemyError, *DAMAGE) as error:
        what = " ".join(str(error).split())
        yield Finding(
            name,
            f"it could not be checked completely ({type(error).__name__}: {what})",
            "See the other findings; restore what is damaged from a backup, then verify again.",
        )
