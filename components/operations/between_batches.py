"""What is done between two batches: pools and words are taken in, probations end, and the like.

Concept: whoever runs batches (intake, worker) asks here first. Only where there is something to do
is the model's lease taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from components.data.finished_files import QuietFiles
from components.ledger import views
from components.ledger.events import PersonEnrolled
from components.ledger.ledger import Lease
from components.operations.pool_folder import Pooled, PoolFolder
from components.pipeline.incoming import Left
from components.pipeline.publication import is_astray
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.operations.approval import Heard
    from components.operations.probation import Ended

ALIAS_SECONDS = 20.0
"""How often MLflow's aliases are compared with the ledger."""

Leased = Callable[[Workspace], AbstractContextManager[Lease]]
"""How the caller takes the lease, everything put right."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: files of inputs that were taken or left, batches that were queued again.

    `probation`: the end of one. `heard`: what people said in MLflow, and what came of it.
    `labels`: how many inputs people labelled there.
    `put_back`: whether an alias had been moved past the pipeline. `not_shown`: why people could not
    be asked in MLflow; told once.
    """

    pooled: list[Pooled] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    probation: Ended | None = None
    heard: list[Heard] = field(default_factory=list)
    labels: int = 0
    put_back: bool = False
    not_shown: str = ""


@dataclass(slots=True)
class Between:
    """The same from time to time: what earlier looks saw is not looked at again."""

    folder: PoolFolder = field(default_factory=lambda: PoolFolder(QuietFiles(0.0)))
    _seen: int = -1
    _looked: float = 0.0
    _shown: int = -1
    _untold: str = ""

    def do(self, ws: Workspace, leased: Leased, once: bool = False) -> Done:
        """Do what there is to do; `once`: no later look follows, so fresh files are waited for."""
        self.folder.quiet.seconds = ws.settings.data.settle_seconds
        if once:
            self.folder.wait(ws)
        files, ready = self.folder.has_work(ws), self._is_ready(ws)
        astray = self._is_astray(ws)
        if not files and not ready and not astray:
            return Done(left=self.folder.left, not_shown=self._show(ws))
        with leased(ws) as lease:
            pooled = self.folder.take(ws, lease)
            ended = _end_probation(ws, lease)
            heard, labels = _take_words(ws, lease)
            released = _release(ws, lease)
        not_shown = self._show(ws)
        return Done(pooled, self.folder.left, released, ended, heard, labels, astray, not_shown)

    def _show(self, ws: Workspace) -> str:
        """Ask people in MLflow what is open now, if anything happened since it was shown.

        Batches go on where that fails, whatever MLflow may raise: return the reason, once.
        """
        head = ws.ledger.head().seq
        if head == self._shown or views.newest_event(ws.ledger, PersonEnrolled) is None:
            return ""  # but once the last person left, what that one was asked has to go
        from components.operations.reviews import show

        try:
            show(ws)
        except Exception as error:
            told, self._untold = self._untold, " ".join(str(error).split())[:300]
            return "" if told == self._untold else self._untold
        self._shown, self._untold = head, ""
        return ""

    def _is_astray(self, ws: Workspace) -> bool:
        """Tell, from time to time, whether MLflow's aliases were moved past the pipeline.

        Whoever takes the lease then puts them back, and records where they were.
        """
        now = time.monotonic()
        if now - self._looked < ALIAS_SECONDS or not views.versions(ws.ledger):
            return False
        self._looked = now
        return is_astray(ws)

    def _is_ready(self, ws: Workspace) -> bool:
        """Tell whether anything held or on probation can be decided.

        That is asked again only after another event, or when the days of a probation have passed.
        """
        head = ws.ledger.head().seq
        if head == self._seen and not _is_over(ws):
            return False
        self._seen = head
        if _probation_due(ws):
            return True
        if _words_wait(ws):
            return True
        if not views.versions(ws.ledger, status="held"):
            return False
        from components.operations.labelling import ready

        return bool(ready(ws))


def _words_wait(ws: Workspace) -> bool:
    from components.operations.approval import has_open
    from components.operations.reviews import has_labels

    return has_open(ws) or has_labels(ws)


def _take_words(ws: Workspace, lease: Lease) -> tuple[list[Heard], int]:
    """Take what people said in MLflow of versions, and how many inputs they labelled there."""
    if not views.people(ws.ledger):
        return [], 0
    from components.operations.approval import take_calls
    from components.operations.reviews import take_labels

    return take_calls(ws, lease), take_labels(ws)


def _release(ws: Workspace, lease: Lease) -> list[str]:
    if not views.versions(ws.ledger, status="held"):
        return []
    from components.operations.labelling import release_ready

    return release_ready(ws, lease)


def _is_over(ws: Workspace) -> bool:
    if views.probation(ws.ledger) is None:
        return False
    from components.operations.probation import is_over

    return is_over(ws)


def _probation_due(ws: Workspace) -> bool:
    """Tell whether a probation can end, or batches still wait for one; cheap without either."""
    if views.probation(ws.ledger) is None and not views.held_batches(ws.ledger):
        return False
    from components.operations.probation import is_due

    return is_due(ws)


def _end_probation(ws: Workspace, lease: Lease) -> Ended | None:
    if not _probation_due(ws):
        return None
    from components.operations.probation import check

    return check(ws, lease)
