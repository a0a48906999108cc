"""Keep processes running: start them in order, start again what ended, end them in order.

Concept: a `Child` is a command with its environment, its log file and how to see that it answers.
What runs is noted in a file, with process ids and their birth, so that other commands can see it,
and so that the children of a supervisor that was killed are ended by the next one.

Promise: one supervisor a folder; a child that ends is started again, later each time (1 s to
60 s); at the end every child has been asked to end, and has ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from components.errors import ConfigError, NeedsHuman, Retryable
from components.files import write_json

START_SECONDS = 180.0
LOOK_SECONDS = 0.5
STEADY_SECONDS = 60.0
"""A child that ran so long starts again at once."""

SLOWEST_SECONDS = 60.0
LOG_BYTES = 10_000_000
"""A longer log is put aside, one of each child, when the child starts."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Child:
    """One process of an installation.

    `health`: an address that answers once it is up; None: it is up when it runs. `stop_seconds`:
    how long it may take to end before it is killed; None: as long as it takes.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    health: str | None = None
    stop_seconds: float | None = 20.0


@dataclass(slots=True)
class _Running:
    """A child, its process, and when it may start again."""

    child: Child
    process: subprocess.Popen[bytes]
    since: float
    waits: float = 1.0
    again_at: float | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """One process of an installation, as another command sees it."""

    name: str
    pid: int
    runs: bool
    answers: bool | None


class Supervisor:
    """Runs the children of one installation.

    Args:
        folder: holds the state file and the lock: `mlruns` of the root.
        facts: what the state file says besides, for people: addresses.
    """

    def __init__(self, folder: Path, children: Sequence[Child], facts: Mapping[str, str]) -> None:
        self._folder, self._children, self._facts = folder, children, facts
        self._running: list[_Running] = []
        self._asked = 0

    def stop(self) -> int:
        """Ask it to end, the second time at once; return how often it was asked. Signal-safe."""
        self._asked += 1
        return self._asked

    def run(self, say: Say, ready: Callable[[], None]) -> None:
        """Start all, call `ready` once all answer, and keep them running until it is to stop.

        Raises:
            ConfigError: another supervisor runs here.
            Retryable: a child does not come up.
        """
        with _alone(self._folder):
            _end_orphans(self._folder)
            try:
                servers = [child for child in self._children if child.health]
                others = [child for child in self._children if not child.health]
                self._start(servers, say)
                self._start(others, say)
                if not self._asked:
                    ready()
                while not self._asked:
                    time.sleep(LOOK_SECONDS)
                    self._look(say)
            finally:
                self._end_all(say)

    def _start(self, children: Sequence[Child], say: Say) -> None:
        """Start some, beside each other, and wait until all of them answer."""
        if self._asked:
            return
        coming = [_Running(child, _spawn(child), time.monotonic()) for child in children]
        self._running += coming
        self._note()
        while coming and not self._asked:
            for each in [each for each in coming if answers(each.child.health)]:
                say(f"{each.child.name} is up ({time.monotonic() - each.since:.0f} s)")
                coming.remove(each)
            for each in coming:
                _require_coming(each)
            time.sleep(LOOK_SECONDS / 5)

    def _look(self, say: Say) -> None:
        """Start again what has ended, each at its time."""
        now = time.monotonic()
        for each in self._running:
            if each.process.poll() is None:
                continue
            if each.again_at is None:
                _kill_rest(each.process.pid)
                each.waits = 1.0 if now - each.since > STEADY_SECONDS else each.waits
                each.again_at = now + each.waits
                code, wait = each.process.returncode, f"{each.waits:.0f} s"
                log = each.child.log
                say(f"{each.child.name} ended (code {code}, see {log}); it starts again in {wait}")
            if now >= each.again_at:
                each.process, each.since, each.again_at = _spawn(each.child), now, None
                each.waits = min(2 * each.waits, SLOWEST_SECONDS)
                self._note()

    def _end_all(self, say: Say) -> None:
        """End all, the last one first."""
        for each in reversed(self._running):
            if each.process.poll() is None:
                say(f"ending {each.child.name}")
            self._end(each)
        state_path(self._folder).unlink(missing_ok=True)

    def _end(self, each: _Running) -> None:
        """End a process and all that it started, in its own time where it has that."""
        process = each.process
        began, seconds = time.monotonic(), each.child.stop_seconds
        process.terminate()
        while process.poll() is None:
            late = seconds is not None and time.monotonic() - began > seconds
            if late or (seconds is None and self._asked > 1):
                process.kill()
            time.sleep(LOOK_SECONDS / 5)
        _kill_rest(process.pid)

    def _note(self) -> None:
        children = {
            each.child.name: {**_identity(each.process.pid), "health": each.child.health}
            for each in self._running
        }
        state = {"supervisor": _identity(os.getpid()), "children": children, **self._facts}
        write_json(state_path(self._folder), state)


def _require_coming(each: _Running) -> None:
    late = time.monotonic() - each.since > START_SECONDS
    if late or each.process.poll() is not None:
        log = each.child.log
        raise Retryable(
            f"{each.child.name} did not start; the end of {log}:\n{_tail(log)}",
            "Correct that and run `ratchet up` again.",
        )


def state_path(folder: Path) -> Path:
    """Return the file that says what runs."""
    return folder / "service.json"


def state(folder: Path) -> dict[str, Any] | None:
    """Return what the state file says; None where no supervisor runs."""
    found = _noted(folder)
    return found if found is not None and _is_alive(found["supervisor"]) else None


def _noted(folder: Path) -> dict[str, Any] | None:
    """Return what the state file says, whether its supervisor still runs or was killed."""
    try:
        found: dict[str, Any] = json.loads(state_path(folder).read_text(encoding="utf-8"))
        return found if {"supervisor", "children"} <= found.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def statuses(folder: Path) -> list[Status]:
    """Return every process of an installation that was started in a folder.

    Of one whose supervisor was killed, those that it left running.
    """
    found = _noted(folder)
    if found is None:
        return []
    whole = _is_alive(found["supervisor"])
    return [
        Status(
            name,
            each["pid"],
            runs := _is_alive(each),
            answers(each["health"]) if each["health"] and runs else None,
        )
        for name, each in found["children"].items()
        if whole or _is_alive(each)
    ]


def ask_to_end(folder: Path, at_once: bool) -> bool:
    """Ask the supervisor of a folder to end; return whether there was one. Waits until it has.

    What a killed one left is ended as well.
    """
    found = state(folder)
    if found is None:
        return _end_orphans(folder)
    pid = int(found["supervisor"]["pid"])
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        if at_once:
            time.sleep(LOOK_SECONDS)
            os.kill(pid, signal.SIGTERM)
    while _is_alive(found["supervisor"]):
        time.sleep(LOOK_SECONDS / 2)
    return True


def answers(address: str | None) -> bool:
    """Tell whether a server answers; one without an address counts as answering."""
    if address is None:
        return True
    try:
        with urllib.request.urlopen(address, timeout=5):  # noqa: S310  (made here)
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False


def require_idle(folder: Path) -> None:
    """Refuse a folder where a supervisor runs; end what a killed one left there.

    Raises:
        ConfigError: one does.
    """
    with _alone(folder):
        _end_orphans(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "service.lock", timeout=0):
            yield
    except Timeout:
        raise ConfigError(
            f"`ratchet up` is running in {folder.parent} already.",
            "`ratchet up --status` shows it, `ratchet down` ends it.",
        ) from None


def _spawn(child: Child) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C reaches the supervisor alone."""
    child.log.parent.mkdir(parents=True, exist_ok=True)
    if child.log.exists() and child.log.stat().st_size > LOG_BYTES:
        child.log.replace(child.log.with_suffix(".log.1"))
    with child.log.open("ab") as log:
        return subprocess.Popen(
            child.command,
            env={**os.environ, **child.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _end_orphans(folder: Path) -> bool:
    """End the children of a supervisor that was killed; return whether there were any."""
    found = _noted(folder) or {"children": {}}
    orphans = [each for each in found["children"].values() if _is_alive(each)]
    for each in orphans:
        with suppress(psutil.Error):
            process = psutil.Process(each["pid"])
            process.terminate()
            psutil.wait_procs([process], timeout=20)
        _kill_rest(each["pid"])
    return bool(orphans)


def _kill_rest(pid: int) -> None:
    """Kill what a child has left of its session: a server's own workers outlive it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _identity(pid: int) -> dict[str, Any]:
    """Return what names a process for good: a number is used again, with another birth."""
    try:
        return {"pid": pid, "birth": psutil.Process(pid).create_time()}
    except psutil.Error:
        return {"pid": pid, "birth": 0.0}


def _is_alive(identity: Mapping[str, Any]) -> bool:
    try:
        process = psutil.Process(identity["pid"])
        same = bool(abs(process.create_time() - identity["birth"]) < 0.01)
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])


def require_free(host: str, ports: Mapping[str, int]) -> None:
    """Refuse ports that somebody listens at.

    Raises:
        NeedsHuman: names the setting.
    """
    import socket

    for setting, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise NeedsHuman(
                    f"`service.{setting}`: {host}:{port} can't be used ({error.strerror}).",
                    "End what listens there, or set another port in params.yaml.",
                ) from error
