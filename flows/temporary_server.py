"""Prefect's API: reached where `PREFECT_API_URL` names one, or started for this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from components.errors import Retryable
from flows.prefect_home import START, prune


def reach_api() -> None:
    """Start the temporary server under a lock, or check that the named one answers.

    Two first starts at once would both migrate Prefect's database and spoil it.
    """
    from filelock import FileLock
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    home, url = PREFECT_HOME.value(), PREFECT_API_URL.value()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(home / "ratchet-start.lock"):
        if not url:
            _own_server()
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
            f"Prefect at {url or 'its temporary server'} does not answer: {error}.", _remedy()
        )


def revive() -> None:
    """Start this process's temporary server again where it died."""
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        return
    server = _own_server()
    if server.server_process is not None and server.server_process.poll() is not None:
        server.stop()
        reach_api()


def _own_server() -> Any:
    """Return this process's temporary server, not started before Prefect needs it."""
    from flows.server_process import ServerProcess

    return ServerProcess()


def _remedy() -> str:
    """Say what to do where Prefect's API does not answer."""
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        return f"Start it (`{START}`), or unset PREFECT_API_URL to run without it."
    return "Ratchet starts it again: run the same command again."


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
            _remedy(),
        ) from error
