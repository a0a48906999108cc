"""Prefect's API: reached where `PREFECT_API_URL` names one, or started for this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from components.errors import Retryable
from flows.prefect_home import START, prune
from flows.server_process import ServerProcess, named_url, server

DRAIN_SECONDS = 5.0
"""How long a server that does not answer is waited for."""


def reach_api() -> None:
    """Start the temporary server under a lock, or check that the named one answers.

    Two first starts at once would both migrate Prefect's database and spoil it.
    """
    from filelock import FileLock
    from prefect.settings import PREFECT_HOME

    home = PREFECT_HOME.value()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(home / "ratchet-start.lock"):
        if (url := named_url()) is not None:
            _check(url)
        else:
            _await_start(server)
    with at_own_server():
        prune()


def _check(url: str) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None:
        raise Retryable(f"Prefect at {url} does not answer: {error}.", _remedy())


def _await_start(own: ServerProcess) -> None:
    import httpx
    from prefect.settings import PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS

    limit = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
    own.start()
    try:
        httpx.get(f"{own.url}/health", timeout=limit).raise_for_status()
    except httpx.HTTPError as late:
        own.stop()
        raise Retryable(
            f"Prefect's temporary server did not start within {limit} s: {late}.",
            "The machine may be busy: run the same command again.",
        ) from late


def revive() -> None:
    """Start this process's temporary server again where it died."""
    if named_url() is None and server.pid is None:
        reach_api()


def _remedy() -> str:
    """Say what to do where Prefect's API does not answer."""
    if named_url() is not None:
        return f"Start it (`{START}`), or unset PREFECT_API_URL to run without it."
    return "Ratchet starts it again: run the same command again."


@contextmanager
def at_own_server() -> Iterator[None]:
    """Let Prefect talk to this process's own server in this block, where no other is named.

    Its flows need no heartbeat, that only a server of one's own acts on: the thread takes up to a
    second to end, with every flow run. It shows no pages, so logs lead to none. What happened to
    tasks is sent by the end: Prefect's sender would go on sending to this server afterwards.
    """
    from prefect.events.worker import EventsWorker
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_UI_URL,
        temporary_settings,
    )

    if named_url() is not None:
        yield
        return
    with temporary_settings(
        {PREFECT_API_URL: server.url, PREFECT_UI_URL: "", PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    ):
        try:
            yield
        finally:
            EventsWorker.drain_all(timeout=DRAIN_SECONDS)


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
            _remedy(),
        ) from error
