"""Running flows from a command: progress shown, and a Prefect API to talk to.

Concept: where `PREFECT_API_URL` names a server, runs go there. Otherwise Prefect starts a
temporary one on its own database, where a later `prefect server start` shows them. A root is
opened once in a session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from importlib import import_module
from threading import Thread

from components.workspace.root import Progress
from flows import steps
from flows.intake import drain
from flows.temporary_server import at_own_server, reach_api
from flows.watch import watch
from flows.worker import Pace, serve

__all__ = ["Pace", "drain", "serve", "showing", "watch"]


@contextmanager
def showing(
    progress: Progress, batches: bool = False, warn: Callable[[str], None] = steps.unheard
) -> Iterator[None]:
    """Let the flows of this block report their progress, with an API up and answering.

    `warn` is called with each warning about a batch's data as soon as there is one. `batches`: some
    wait to be trained on, so what that takes is loaded while the API starts.
    """
    import_module("prefect.client.orchestration")  # here: two threads must not import at once
    with _beside(reach_api):
        if batches:
            _load()
    shown, kept = steps.progress.set(progress), steps.kept.set({})
    warned = steps.warn.set(warn)
    try:
        with at_own_server():
            yield
    finally:
        steps.progress.reset(shown)
        steps.warn.reset(warned)
        steps.kept.reset(kept)


@contextmanager
def _beside(work: Callable[[], None]) -> Iterator[None]:
    """Do `work`, which waits for another process, in a thread; the block ends with it.

    Where the block is broken off (Ctrl-C), nobody waits for it.
    """
    faults, around = list[BaseException](), copy_context()

    def body() -> None:
        try:
            around.run(work)
        except BaseException as error:
            faults.append(error)

    thread = Thread(target=body, daemon=True)
    thread.start()
    yield
    thread.join()
    if faults:
        raise faults[0]


def _load() -> None:
    """Import what every batch takes: seconds of work, while Prefect's server starts."""
    from components.data import expectations
    from components.registry import database

    import_module("components.training.candidate")
    import_module("peft")
    database.quiet()
    expectations.load()
