"""Prefect's API: reached, or started for this process, and never left behind for long.

Concept: Prefect ends its server when the command ends, but not when the command is killed.
So each start is noted (who started which process), and the next start ends the servers
whose starter is gone. A process counts as the noted one only with the noted birth time.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil

from components.errors import Retryable
from components.files import write_json

NOTES = "ratchet-servers"


def reach_api() -> None:
    """Start the temporary server under a lock, or check that the named one answers.

    Two first starts at once would both migrate Prefect's database and spoil it.
    """
    from filelock import FileLock
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    home, url = PREFECT_HOME.value(), PREFECT_API_URL.value()
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "ratchet-start.lock"), _deaf_children():
        end_abandoned(home)
        with get_client(sync_client=True) as client:
            error = client.api_healthcheck()
        note_server(home)
    if error is not None:
        raise Retryable(
            f"Prefect at {url or 'its temporary server'} does not answer: {error}.",
            "Start it (`prefect server start`), or unset PREFECT_API_URL to do without.",
        )


def revive() -> None:
    """Start this process's temporary server again where it died."""
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()
    if server.server_process is not None and server.server_process.poll() is not None:
        server.stop()
        reach_api()


def note_server(home: Path) -> None:
    """Note this process's temporary server, where it has one."""
    from prefect.server.api.server import SubprocessASGIServer

    process = SubprocessASGIServer().server_process
    if process is not None:
        value = {"owner": _identity(psutil.Process()), "server": _identity_of(process.pid)}
        write_json(home / NOTES / f"{process.pid}.json", value)


def end_abandoned(home: Path) -> None:
    """End the servers whose starter was killed, and drop notes of servers that are gone."""
    for note in (home / NOTES).glob("*.json"):
        value = json.loads(note.read_text(encoding="utf-8"))
        server = _alive(value["server"])
        if server is not None and _alive(value["owner"]) is None:
            server.terminate()
            server = None
        if server is None:
            note.unlink(missing_ok=True)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that are started here not hear Ctrl-C, which a terminal sends to all.

    The server is ended by this process, once the batch in hand needs it no more.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def without_heartbeat() -> Any:
    """Spare flows the heartbeat that only a server of one's own acts on.

    Its thread takes up to a second to end, with every flow run.
    """
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    if PREFECT_API_URL.value():
        return nullcontext()
    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})


@contextmanager
def passing() -> Iterator[None]:
    """Turn the faults of an API that does not answer now into `Retryable`."""
    from httpx import TransportError
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        yield
    except (TransportError, PrefectHTTPStatusError) as error:
        raise Retryable(
            f"Prefect's API failed: {' '.join(str(error).split()) or type(error).__name__}.",
            "Start it (`prefect server start`), or unset PREFECT_API_URL to do without.",
        ) from error


def _identity(process: psutil.Process) -> dict[str, Any]:
    return {"pid": process.pid, "born": process.create_time()}


def _identity_of(pid: int) -> dict[str, Any] | None:
    with suppress(psutil.NoSuchProcess):
        return _identity(psutil.Process(pid))
    return None


def _alive(noted: dict[str, Any] | None) -> psutil.Process | None:
    """Return the noted process if it still runs, and is not another one with its number."""
    if noted is None:
        return None
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(noted["pid"])
        if process.create_time() == noted["born"]:
            return process
    return None
