"""Running flows from a command: progress shown, and a Prefect API to talk to.

Concept: where `PREFECT_API_URL` names a server, runs go there. Otherwise Prefect starts a
temporary one on its own database, where a later `prefect server start` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from components.errors import Retryable
from components.pipeline.workspace import Progress
from flows import steps
from flows.intake import drain
from flows.temporary_server import end_abandoned, note_server
from flows.watch import watch

__all__ = ["drain", "showing", "watch"]


@contextmanager
def showing(progress: Progress) -> Iterator[None]:
    """Let the flows of this block report their progress, with an API up and answering."""
    _reach_api()
    token = steps.progress.set(progress)
    try:
        yield
    finally:
        steps.progress.reset(token)


def _reach_api() -> None:
    """Start the temporary server under a lock, or check that the named one answers.

    Two first starts at once would both migrate Prefect's database and spoil it.
    """
    from filelock import FileLock
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    home, url = PREFECT_HOME.value(), PREFECT_API_URL.value()
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "ratchet-start.lock"):
        end_abandoned(home)
        with get_client(sync_client=True) as client:
            error = client.api_healthcheck()
        note_server(home)
    if error is not None:
        raise Retryable(
            f"Prefect at {url or 'its temporary server'} does not answer: {error}.",
            "Start it (`prefect server start`), or unset PREFECT_API_URL to do without.",
        )
