"""MLflow's server of an installation, as `mlflow server --app-name ratchet` starts it.

`RATCHET_ROOTS` names the roots whose models it serves, separated as in PATH. What is asked of the
model of one of them is ruled by the people in its ledger, and recorded there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from components.ledger import views
from components.ledger.events import RegistryCalled
from components.registry.review_queues import facts_of
from components.registry.server_plugin import Book, guarded
from components.registry.server_rules import EVIDENCE, Call
from components.workspace.root import Workspace, open_workspace

ROOTS = "RATCHET_ROOTS"


class LedgerBook:
    """The ledger of one root, as the server's hooks ask it."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws

    def roles(self, user: str) -> frozenset[str]:
        """Return the roles of somebody; none of somebody who is not enrolled."""
        return views.people(self._ws.ledger).get(user, frozenset())

    def card(self, trace: str) -> dict[str, str] | None:
        """Return the facts of a card that is shown now."""
        return facts_of(self._ws.mlruns, trace)

    def record(self, call: Call, before: str | None, status: int, refused: str) -> None:
        """Append what was asked, and what became of it."""
        version = views.version(self._ws.ledger, call.version) if call.version else None
        said = RegistryCalled(
            user=call.user,
            roles=sorted(self.roles(call.user)),
            action=call.action,
            version=call.version,
            key=call.key,
            before=before,
            value=call.value,
            status=status,
            refused=refused or None,
            evidence=call.card.get(EVIDENCE) or (version.evidence if version else None),
        )
        self._ws.ledger.append(said, None)


def create_app() -> Any:
    """Return the ASGI app."""
    return guarded(_books)


@cache
def _books() -> Mapping[str, Book]:
    roots = [Path(each) for each in os.environ.get(ROOTS, "").split(os.pathsep) if each]
    opened = [open_workspace(root, actor="mlflow") for root in roots]
    return {ws.settings.model.name: LedgerBook(ws) for ws in opened}
