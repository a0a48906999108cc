"""Objects under addresses come in like files in data/incoming: by a look from time to time.

Concept: what lies there is compared with the ledger, which knows what was taken, by address and
mark. An object is taken once two looks in a row see it alike; nothing is moved or deleted there.

Promise: an object is taken once, whatever was down meanwhile; one that was written anew comes in
again. An object or an address that can't be read is told of, and blocks nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from components.data.addresses import Lying, fetch, listed
from components.errors import DataRejected, RatchetError
from components.ledger import views
from components.ledger.events import ObjectTaken
from components.pipeline import pages
from components.pipeline.arrival import Arrived, arrive
from components.pipeline.incoming import Left, Taken, take_incoming
from components.workspace.root import Workspace


@dataclass(slots=True)
class Poll:
    """What earlier looks saw: objects that were taken, and those of the last look."""

    _taken: set[tuple[str, str]] | None = None
    _last: set[tuple[str, str]] = field(default_factory=set)
    _looked: float | None = None

    def take(self, ws: Workspace, at_once: bool = False) -> Taken:
        """Take in what is new and settled, if it is time for a look.

        `at_once`: look now, and take what a single look sees.
        """
        now = time.monotonic()
        wait = ws.settings.service.poll_seconds
        if not ws.settings.service.poll or (
            not at_once and self._looked is not None and now - self._looked < wait
        ):
            return Taken()
        self._looked = now
        if self._taken is None:
            told = views.told(ws.ledger, ObjectTaken)
            self._taken = {(each.payload.address, each.payload.mark) for each in told}
        seen, found = set[tuple[str, str]](), Taken()
        for address in ws.settings.service.poll:
            try:
                lying = listed(address)
            except RatchetError as error:
                found.left.append(Left(address, error.message))
                continue
            seen |= {(each.address, each.mark) for each in lying}
            for each in lying:
                key = each.address, each.mark
                if key not in self._taken and (at_once or key in self._last):
                    self._take(ws, each, found)
        self._last = seen
        return found

    def _take(self, ws: Workspace, lying: Lying, found: Taken) -> None:
        """Take one object in; what can't be read stays, with the reason."""
        assert self._taken is not None  # `take` read it
        try:
            with TemporaryDirectory(prefix="ratchet-") as folder:
                most = ws.settings.data.max_file_megabytes * 1_000_000
                path = fetch(lying.address, Path(folder), most)
                arrived: Arrived | None = arrive(ws, path, lying.folder, lying.name)
        except DataRejected as error:
            found.left.append(Left(lying.address, error.message))
            arrived = None
        except RatchetError as error:
            found.left.append(Left(lying.address, error.message))
            return
        batch = arrived.batch if arrived is not None else None
        said = ObjectTaken(address=lying.address, mark=lying.mark, batch=batch)
        ws.ledger.append(said, None)
        self._taken.add((lying.address, lying.mark))
        if arrived is not None:
            found.arrived.append(arrived)


def take_all(ws: Workspace) -> Taken:
    """Take in, at once, what lies in data/incoming and under the addresses that are polled."""
    files, objects = take_incoming(ws), Poll().take(ws, at_once=True)
    taken = Taken(files.arrived + objects.arrived, files.left + objects.left)
    if any(each.refused for each in taken.arrived):
        pages.write_index(ws)
    return taken
