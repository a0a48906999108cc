"""A long-running worker: processes new files and waits for more.

Concept: libraries, base model and Prefect's API are loaded once; each batch is the same flow run
as with `ratchet intake`, and the settings are read again for each.

Promise: it stops between two batches, never inside one. Transient errors are reported and
retried; any other error ends the worker and leaves the queue as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from components.data.finished_files import QuietFiles
from components.errors import Retryable
from components.ledger import views
from components.operations import notices
from components.operations.between_batches import Between
from components.pipeline import pages
from components.pipeline.incoming import Left, take_incoming
from components.pipeline.polling import Poll
from components.pipeline.precedence import next_batch
from flows import steps
from flows.notify import notify
from flows.prefect_home import prune
from flows.retrain import retrain
from flows.temporary_server import passing, revive
from flows.watch import watch

PRUNE_RUNS = 20
"""After how many batches Prefect's oldest flow runs are dropped."""

Tell = Callable[[str, dict[str, Any]], None]
"""Called with what happened (`arrived`, `refused`, `started`, `settled`, `watched`, `pooled`,
`released`, `heard`, `labelled`, `not shown`, `put back`, `probation`, `left` or `fault`) and its
facts."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds.

    every: between two scans for new files. watch_every: between two runs of `watch`; None: never.
    idle_exit: how long to stay without work; None: forever. rest: the same once there was work, so
    that what was loaded for it is freed. gather: what arrives is taken in, and trained when
    somebody else runs `intake`.
    """

    every: float
    watch_every: float | None = None
    idle_exit: float | None = None
    gather: bool = False
    rest: float | None = None


@dataclass(slots=True)
class Looks:
    """What earlier looks at data/incoming and data/pool saw, and which files were told of."""

    quiet: QuietFiles
    between: Between = field(default_factory=Between)
    poll: Poll = field(default_factory=Poll)
    told: set[Left] = field(default_factory=set)
    soonest: float | None = None

    def note(self, left: list[Left], tell: Tell) -> None:
        """Tell once of what stays; a file that only has to be quiet is waited for."""
        staying = {each for each in left if each.seconds_left is None}
        for each in sorted(staying - self.told, key=lambda each: each.path):
            tell("left", asdict(each))
        self.told = staying
        self.soonest = min((s for each in left if (s := each.seconds_left)), default=None)


def serve(root: Path, pace: Pace, stop: Event, tell: Tell) -> None:
    """Run until `stop` is set, or nothing was there to do for `pace.idle_exit`.

    Raises:
        Retryable: it ends for want of work, and the last thing was a fault.
        RatchetError: a fault that no waiting mends.
    """
    worked = watched = time.monotonic()
    run = 0
    looks = Looks(QuietFiles(0.0))
    while not stop.is_set():
        fault = None
        try:
            with passing():
                if pace.watch_every is not None and _since(watched) >= pace.watch_every:
                    watched = time.monotonic()
                    tell("watched", watch(str(root), drained=False))
                if _run_next(root, tell, looks, pace.gather):
                    worked = time.monotonic()
                    run += 1
                    if run % PRUNE_RUNS == 0:
                        prune()
                    continue
                if looks.soonest is not None:
                    worked = time.monotonic()
        except Retryable as error:
            fault = error
            tell("fault", {"code": error.code, "message": error.message, "remedy": error.remedy})
            revive()
        rests = [pace.idle_exit, pace.rest if run else None]
        over = min((each for each in rests if each is not None), default=None)
        if looks.soonest is None and over is not None and _since(worked) >= over:
            if fault is not None:
                raise fault
            return
        stop.wait(min(pace.every, looks.soonest or pace.every))


def _run_next(root: Path, tell: Tell, looks: Looks, gather: bool) -> bool:
    """Take in what arrived and run the oldest batch; return whether there was one."""
    ws = steps.workspace(str(root))
    looks.quiet.seconds = ws.settings.data.settle_seconds
    done = looks.between.do(ws, steps.changing)
    for pooled in done.pooled:
        tell("pooled", asdict(pooled))
    if done.probation is not None:
        tell("probation", asdict(done.probation))
    if done.put_back:
        tell("put back", {})
        notify(ws, [notices.PUT_BACK])
    for word in done.heard:
        tell("heard", asdict(word))
    if done.not_shown:
        tell("not shown", {"reason": done.not_shown})
        notify(ws, [notices.Notice("not shown", f"MLflow's review queues: {done.not_shown}")])
    if done.labels:
        tell("labelled", {"labels": done.labels})
    for batch in done.released:
        tell("released", {"batch": batch})
    taken, polled = take_incoming(ws, looks.quiet), looks.poll.take(ws)
    refused = False
    for arrived in taken.arrived + polled.arrived:
        refused |= bool(arrived.refused)
        tell("refused" if arrived.refused else "arrived", asdict(arrived))
    looks.note(done.left + taken.left + polled.left, tell)
    notify(ws, notices.news(ws))
    following = None if gather else next_batch(ws)
    if following is not None:
        arrival = views.arrival(ws.ledger, following)
        tell("started", {"batch": following, "source": arrival.source if arrival else ""})
        settled = retrain(str(root), following)
        refused |= settled["action"] == "refused"
        tell("settled", settled)
    if refused:  # with any other outcome the index is written already
        pages.write_index(ws)
    return following is not None


def _since(moment: float) -> float:
    return time.monotonic() - moment
