"""Prefect's API: reached, or started for this process, and never left behind for long.

Concept: Prefect ends its server when the command ends, but not when the command is killed. So
each server carries in its environment who started it, from its first instant on, and the next
start ends the servers whose starter is gone. A process counts as the named one only with the
named birth.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil

from components.errors import Retryable
from components.ledger.leases import is_dead, myself
from flows.prefect_home import prune

STARTED_BY = "RATCHET_STARTED_BY"


def reach_api() -> None:
    """Start the temporary server under a lock, or check that the named one answers.

    Two first starts at once would both migrate Prefect's database and spoil it.
    """
    from filelock import FileLock
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    home, url = PREFECT_HOME.value(), PREFECT_API_URL.value()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(home / "ratchet-start.lock"), _deaf_children(), _signed(home):
        end_abandoned(home)
        try:
            with get_client(sync_client=True) as client:
                error = client.api_healthcheck()
        except RuntimeError as late:  # so Prefect says that its temporary server is not up yet
            raise Retryable(
                f"Prefect's temporary server did not start: {late}",
                "The machine may be busy: run the same command again.",
            ) from late
    if error is None:
        prune()
    else:
        raise Retryable(
            f"Prefect at {url or 'its temporary server'} does not answer: {error}.",
            "Start it (`prefect server start`), or unset PREFECT_API_URL to run without it.",
        )


def revive() -> None:
    """Start this process's temporary server again where it died."""
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()
    if server.server_process is not None and server.server_process.poll() is not None:
        server.stop()
        reach_api()


def end_abandoned(home: Path) -> None:
    """End the servers on this home whose starter was killed."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, ValueError):
            told = json.loads(process.environ().get(STARTED_BY, "null"))
            ours = isinstance(told, dict) and told.get("home") == str(home)
            if ours and is_dead(told["starter"]):
                process.terminate()


@contextmanager
def _signed(home: Path) -> Iterator[None]:
    """Let processes that are started here carry the name of this one."""
    os.environ[STARTED_BY] = json.dumps({"starter": myself(), "home": str(home)})
    try:
        yield
    finally:
        del os.environ[STARTED_BY]


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that are started here not hear Ctrl-C, which a terminal sends to all.

    The server is ended by this process, once the current batch no longer needs it.
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
            "Start it (`prefect server start`), or unset PREFECT_API_URL to run without it.",
        ) from error
