"""One seeded run: random operations on one root, and the laws after each.

Concept: what operation number n does follows from the seed and n alone, and from the root as
it stands. After an operation that a fault struck `reconcile` runs, undisturbed; then the reader
says which laws are broken. The first broken law ends the run, and the root stays as it is.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.arrivals import MANY_ROWS, Arrival, Maker, jsonl
from tests.faults.book import Book
from tests.faults.kept import Kept
from tests.faults.points import Fault
from tests.faults.reader import Reader
from tests.faults.writers import Writer
from tests.faults.zygote import Ended, Running
from tests.stream import PARAMS, make_root

NO_FAULT = Fault()
CORRUPT = 4
EXAM_ROWS = 200
VERIFY_SHARE = 0.25
SETTINGS = PARAMS.replace(
    "settle_seconds: 0", "max_rows: 400, max_line_bytes: 200000, settle_seconds: 0.5"
)


@dataclass(frozen=True, slots=True)
class Done:
    """What an operation came to.

    drained: whether the inbox must be empty now. untold: damages that `audit verify` did not
    tell. wrong: what the operation itself found broken.
    """

    ended: list[Ended] = field(default_factory=list)
    drained: bool = False
    untold: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Counts:
    """What a run did. `struck`: faults by kind; `told`: damages that `audit verify` told."""

    operations: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    untold: Counter[str] = field(default_factory=Counter)
    commands: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        names = ("operations", "struck", "told", "untold")
        return {name: dict(getattr(self, name)) for name in names} | {"commands": self.commands}


class Simulation:
    """One root under one seed.

    server: what a process needs to reach Prefect. recorded: operation number -> point, of a run
    that is replayed: what was sent at an instant then strikes at the point that it struck at.
    without: faults and kinds of files that are left out.
    """

    def __init__(
        self,
        seed: int,
        folder: Path,
        server: dict[str, str] | None = None,
        recorded: dict[int, int] | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.seed, self.folder, self.without = seed, folder, without
        self.server, self.recorded = server or {}, recorded or {}
        self.root = make_root(folder / "root", SETTINGS)
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.book, self.kept = Book(), Kept(self.root)
        self.dropped: list[Arrival] = []
        self.writers: list[Writer] = []
        self.counts = Counts()
        self.saved: Book | None = None
        self.number = 0
        self._commands: list[dict[str, Any]] = []

    def command(self, *words: str, fault: Fault = NO_FAULT) -> Ended:
        """Run one command to its end."""
        return self.end(self.start(*words, fault=fault), fault)

    def start(self, *words: str, fault: Fault = NO_FAULT) -> Running:
        """Start one command."""
        self.counts.commands += 1
        log = self.folder / f"said-{self.counts.commands % 4}.txt"
        return Running(self.root, words, self._as_recorded(fault), log)

    def end(self, running: Running, fault: Fault = NO_FAULT) -> Ended:
        """Wait for a command, and write down what became of it."""
        ended = running.end()
        if ended.struck:
            self.counts.struck[fault.kind] += 1
        self._commands.append(
            {
                "words": ended.words,
                "fault": fault.to_json(),
                "struck": ended.struck,
                "points": ended.points,
                "code": ended.code,
                "seconds": round(ended.seconds, 2),
                "said": "" if ended.code == 0 else ended.said[-2000:],
            }
        )
        return ended

    def maker(self, rng: random.Random) -> Maker:
        """Return what makes the files of this operation."""
        return Maker(self.seed, self.number, rng, self.without)

    def drop(self, arrival: Arrival, folder: Path | None = None) -> Path:
        """Put a whole file where commands look for it, as a move would: nobody writes to it."""
        place = folder or self.root / "data" / "incoming" / arrival.folder
        path = place / arrival.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(arrival.data)
        age_file(path)
        self.dropped.append(arrival)
        return path

    def write_down(self, path: Path) -> None:
        """Enter a file into the book, as it lies."""
        data = path.read_bytes()
        self.book.add(path.name, data, list(self.kept.look(path).rows))

    def reader(self) -> Reader:
        """Return a reader of the root as it is now."""
        return Reader(self.root, self.kept)

    def step(self, name: str, operation: Any) -> list[str]:
        """Perform the next operation and return the laws that it broke."""
        self.number += 1
        self._commands = []
        began = time.monotonic()
        rng = random.Random(f"{self.seed}:{self.number}")
        done: Done = operation(self, rng)
        self._end_writers(wait=False)
        wrong = [*done.wrong, *_codes(done.ended), *self._afterwards(rng, done)]
        self.counts.operations[name] += 1
        self.counts.untold.update(done.untold)
        self._log(name, began, [*wrong, *done.untold])
        return wrong

    def finish(self) -> list[str]:
        """Let the writers end, drain the inbox without a fault, and return what is broken."""
        self._end_writers(wait=True)
        self.number += 1
        for path in (self.root / "data" / "incoming").rglob("*"):
            if path.is_file() and not path.is_symlink():
                age_file(path)
        ended = [self.command("reconcile"), self.command("intake")]
        return [*_codes(ended), *self._read(reconciled=True, drained=True), *self._verify()]

    def _afterwards(self, rng: random.Random, done: Done) -> list[str]:
        """Reconcile where a fault struck, then read the laws."""
        faulted = any(ended.interrupted for ended in done.ended)
        wrong = []
        if faulted:
            ended = self.command("reconcile")
            wrong += _codes([ended])
            if ended.code != 0:
                wrong.append(f"stuck: reconcile ends with {ended.code}: {ended.last}")
        wrong += self._read(reconciled=bool(done.ended), drained=done.drained and not faulted)
        if faulted or rng.random() < VERIFY_SHARE:
            wrong += self._verify()
        return wrong

    def _read(self, reconciled: bool, drained: bool) -> list[str]:
        return self.reader().broken(self.book, reconciled, drained, time.time())

    def _verify(self) -> list[str]:
        if not self.reader().ledger.exists():
            return []
        ended = self.command("audit", "verify")
        return [] if ended.code == 0 else [f"verify: ends with {ended.code}: {ended.last}"]

    def begin_well(self) -> None:
        """Begin with an exam and a champion, so that there is something to lose."""
        make = self.maker(random.Random(self.seed))
        exam = self.drop(make.file("exam", jsonl(make.rows(EXAM_ROWS))), self.outside)
        first = self.drop(make.file("first", jsonl(make.rows(MANY_ROWS))), self.outside)
        self.write_down(first)
        self.command("holdout", "add", str(exam), "--task", "mood")
        self.command("run", str(first), "--task", "mood")

    def _end_writers(self, wait: bool) -> None:
        for writer in list(self.writers):
            if writer.has_ended(wait):
                self.writers.remove(writer)
                self.book.add(writer.name, writer.data)

    def _as_recorded(self, fault: Fault) -> Fault:
        point = self.recorded.get(self.number) if fault.seconds and fault.kind != "clock" else None
        return fault if point is None else Fault(fault.kind, at=max(point, 1))

    def _log(self, name: str, began: float, wrong: list[str]) -> None:
        line = {
            "number": self.number,
            "operation": name,
            "seconds": round(time.monotonic() - began, 2),
            "commands": self._commands,
            "wrong": wrong,
        }
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def age_file(path: Path) -> None:
    """Give a file the times of one that nobody wrote to for an hour."""
    before = time.time() - 3600
    os.utime(path, (before, before))


def _codes(ended: list[Ended]) -> list[str]:
    """Return which commands ended as none may."""
    wrong = []
    for each in ended:
        what = " ".join(each.words[:2])
        if each.code is None:
            wrong.append(f"stuck: {what} did not end: {each.last}")
        elif "(defect)" in each.said or "escaped:" in each.said:
            wrong.append(f"defect: {what} at {each.struck or 'no fault'}: {each.last}")
        elif not each.interrupted and (each.code == CORRUPT or each.code < 0):
            wrong.append(f"stuck: {what} ends with {each.code}: {each.last}")
    return wrong
