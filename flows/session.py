"""Running flows from a command: progress shown, and a Prefect API to talk to.

Concept: where `PREFECT_API_URL` names a server, runs go there. Otherwise Prefect starts a
temporary one on its own database, where a later `prefect server start` shows them. A root is
opened once in a session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from components.workspace.root import Progress
from flows import steps
from flows.intake import drain
from flows.temporary_server import reach_api, without_heartbeat
from flows.watch import watch
from flows.worker import Pace, serve

__all__ = ["Pace", "drain", "serve", "showing", "watch"]


@contextmanager
def showing(progress: Progress) -> Iterator[None]:
    """Let the flows of this block report their progress, with an API up and answering."""
    reach_api()
    shown, kept = steps.progress.set(progress), steps.kept.set({})
    try:
        with without_heartbeat():
            yield
    finally:
        steps.progress.reset(shown)
        steps.kept.reset(kept)
