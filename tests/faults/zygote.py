"""The command `ratchet` in a process of its own, without waiting for its imports.

Concept: one process imports everything and runs a batch once. Each command is a fork of it
that runs the command's own `main` with arguments, standard streams, signals and an exit code
as ever. Prefect is left out: flows and tasks are plain calls, so no server is started; a
small share of the commands runs as a fresh process with a real server instead.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.points import SIGNALS, Fault, Meter, arm

STUCK_SECONDS = 180.0
POLL_SECONDS = 0.003
UNFLUSHED = 120
"""How Python ends where the last that was printed cannot be written."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended.

    code: its exit code; minus the signal where one killed it, None where it was stuck.
    points: how many it passed. fault: the kind that struck it, and where, or two empty texts.
    """

    words: tuple[str, ...]
    code: int | None
    said: str
    seconds: float = 0.0
    points: int = 0
    fault: str = ""
    struck: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether something may be left half-done; a wrong clock is no excuse."""
        return self.code is None or self.code < 0 or self.fault not in ("", "clock", "grow")

    @property
    def last(self) -> str:
        """Return the last that it said, in one line."""
        lines = [line for line in self.said.splitlines() if line.strip()]
        return " / ".join(lines[-2:])[:400]


def warm_up(folder: Path) -> None:
    """Import here all that commands import, by running a batch, and leave Prefect out."""
    from prefect import Flow, Task

    import flows.session
    from tests.command import ratchet
    from tests.stream import batch, make_root

    Flow.__call__ = lambda self, *args, **kwargs: self.fn(*args, **kwargs)  # type: ignore
    Task.__call__ = lambda self, *args, **kwargs: self.fn(*args, **kwargs)  # type: ignore
    flows.session.reach_api = lambda *_: None
    flows.session.at_own_server = nullcontext
    root = make_root(folder / "warm")
    for words in (
        ("holdout", "add", batch(root / "exam.jsonl", 900, 200), "--task", "mood"),
        ("run", batch(root / "b1.jsonl", 1), "--task", "mood"),
        ("run", batch(root / "b2.jsonl", 2), "--task", "mood"),
        ("watch",),
        ("audit", "verify"),
    ):
        ran = ratchet(root, *words)
        if ran.code != 0:
            raise RuntimeError(f"ratchet {words[0]} failed on a fresh root: {ran.err or ran.out}")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the command took it; the simulator is none


class Running:
    """A command under way."""

    def __init__(self, root: Path, words: tuple[str, ...], fault: Fault, log: Path) -> None:
        self._words, self._fault, self._log = words, fault, log
        self._meter = Meter()
        self._began = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _live(root, words, fault, self._meter, log)

    def end(self) -> Ended:
        """Wait until it finishes; send its signal when it is time, and end it where it is stuck."""
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            passed = time.monotonic() - self._began
            if pid:
                return self._ended(os.waitstatus_to_exitcode(status), passed)
            if passed > STUCK_SECONDS:
                return self._stuck(passed)
            due = self._fault.seconds if self._fault.kind in SIGNALS else 0.0
            if due and passed >= due and not self._meter.struck:
                self._meter.strike(f"after point {self._meter.points}")
                os.kill(self.pid, SIGNALS[self._fault.kind])
            time.sleep(POLL_SECONDS)

    def _stuck(self, passed: float) -> Ended:
        os.kill(self.pid, signal.SIGABRT)  # faulthandler writes where it was
        time.sleep(1)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return self._ended(None, passed)

    def _ended(self, code: int | None, passed: float) -> Ended:
        said = self._log.read_text(encoding="utf-8", errors="backslashreplace")
        kind = self._fault.kind
        struck = self._meter.struck or ("a file grew" if kind == "limit" and code else "")
        points = self._meter.points
        return Ended(self._words, code, said, passed, points, kind if struck else "", struck)


def _live(root: Path, words: tuple[str, ...], fault: Fault, meter: Meter, log: Path) -> Any:
    """Be the command, to its end."""
    code = 1
    try:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
        faulthandler.enable(sys.stderr)
        from components.cli.main import main

        sys.argv = ["ratchet", "--root", str(root), *words]
        arm(root, fault, meter)
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        print(f"escaped: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        try:
            for each in (sys.stdout, sys.stderr):
                if each is not None:
                    each.flush()
        except (OSError, ValueError):
            code = UNFLUSHED
        finally:
            os._exit(code)  # else the simulator would go on in this process too
