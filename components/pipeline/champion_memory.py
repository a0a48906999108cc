"""What the champion remembers: references to rows that it was trained on, of every label some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.ledger import views
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.training.memory import MemoryRef


def champion_memory(ws: Workspace) -> tuple[MemoryRef, ...]:
    """Return its references, tasks by the names that they have now; none without a champion."""
    champion = views.champion(ws.ledger)
    if champion is None:
        return ()
    from components.model.bundle import open_bundle
    from components.training.memory import remembered

    return remembered(open_bundle(ws.bundles, champion.bundle), views.renamed_tasks(ws.ledger))
