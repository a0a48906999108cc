"""How a step is run: as a Prefect task, or directly.

Concept: the body of a flow hands each step to a `Step`. With Prefect the step becomes a
task, seen in its UI and retried when the fault is a passing one; without, it is a call, so
that the same body runs where no server may be started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from components.errors import Retryable
from components.ledger.ledger import Lease
from components.operations import reconciliation
from components.workspace.root import STEP, Progress, Workspace, no_progress, open_workspace
from flows.run_page import say

T = TypeVar("T")

LEASE_WAIT_SECONDS = 24 * 3600.0
RETRIES = 2
RETRY_DELAY_SECONDS = 5

progress: ContextVar[Progress] = ContextVar("progress", default=no_progress)
"""Where flows of this process show their progress; flow parameters must stay plain JSON."""


def unheard(warning: str) -> None:
    """Say nothing."""


warn: ContextVar[Callable[[str], None]] = ContextVar("warn", default=unheard)
"""What is called at once with each warning about a batch's data, before anything is trained."""

kept: ContextVar[dict[Path, Workspace] | None] = ContextVar("kept", default=None)
"""The workspaces that stay open from flow to flow, where a session keeps them."""


class Step(Protocol):
    """Runs one named piece of work and returns what it returns."""

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        """Run `work` under `name`."""


def warn_of(warnings: Iterable[str]) -> None:
    """Say what people should know of a batch's data while the run goes on."""
    for warning in warnings:
        say(f"warning: {warning}")
        warn.get()(warning)


def directly(name: str, work: Callable[[], T]) -> T:
    """Run the step as a plain call."""
    return work()


def as_task(name: str, work: Callable[[], T]) -> T:
    """Run the step as a Prefect task; a `Retryable` fault is tried again."""
    progress.get()(name, 0, STEP)
    say(name)
    step = task(
        name=name,
        retries=RETRIES,
        retry_delay_seconds=RETRY_DELAY_SECONDS,
        retry_condition_fn=_is_passing,
        cache_policy=NO_CACHE,
    )(lambda: work())
    return step()


@contextmanager
def leased(ws: Workspace) -> Iterator[Lease]:
    """Hold the model's lease; the progress shows that another process is waited for."""
    show = partial(ws.progress, "waiting")
    name = ws.settings.model.name
    with ws.ledger.lease(name, LEASE_WAIT_SECONDS, lambda holder: show(0, 1)) as lease:
        show(1, 1)
        yield lease


@contextmanager
def changing(ws: Workspace) -> Iterator[Lease]:
    """Hold the model's lease, after repairing what a crash left behind."""
    with leased(ws) as lease:
        reconciliation.reconcile(ws, lease)
        yield lease


def workspace(root: str) -> Workspace:
    """Open the root that a flow was given as a plain string.

    A session opens it once, and again when its settings were changed meanwhile.
    """
    found = open_workspace(Path(root), progress=progress.get())
    opened = kept.get()
    if opened is None:
        return found
    before = opened.get(found.root)
    if before is None or before.settings != found.settings:
        opened[found.root] = found
    return opened[found.root]


def _is_passing(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), Retryable)
