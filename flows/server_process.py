"""Prefect's temporary server: a process that ends with the one that started it, and not before.

Concept: whoever ends a command often signals all of its processes: a terminal's Ctrl-C, `timeout`,
systemd. A server that hears this dies before the batch that reports to it. So ours hears no stop
signal: it ends when its standard input is closed, by `end` or by the death of its starter,
`kill -9` included. Its port is bound before it starts, so nobody else can take it, and who asks
early is answered as soon as it is up. Prefect's server is imported in that process alone.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time

SIGNALS = {signal.SIGINT, signal.SIGTERM}
GRACE_SECONDS = 4.0
"""How long the server may take to end by itself."""


class ServerProcess:
    """The server of this process, for as long as it lives; every start is at the same address."""

    def __init__(self) -> None:
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the server's API; port 0 before the first start."""
        return f"http://127.0.0.1:{self._port}/api"

    @property
    def pid(self) -> int | None:
        """The server's process, where it lives."""
        alive = self._process is not None and self._process.poll() is None
        return self._process.pid if alive and self._process is not None else None

    def start(self) -> None:
        """Start the server, unless it lives. Who asks before it is up waits for its answer."""
        if self.pid is not None:
            return
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", self._port))
            listening.listen(128)
            self._port = listening.getsockname()[1]
            before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a child inherits it
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "flows.server_process", str(listening.fileno())],
                    env=_environment(),
                    stdin=subprocess.PIPE,
                    pass_fds=[listening.fileno()],
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        atexit.register(self.end)

    def end(self) -> None:
        """Let the server end: it writes what it still has to, and nobody waits for that."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """End the server and wait for it; one that can't end is killed."""
        self.end()
        if self._process is not None:
            try:
                self._process.wait(timeout=GRACE_SECONDS + 1)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


server = ServerProcess()
"""The temporary server of this process, where the user names no other."""


def named_url() -> str | None:
    """Return the address of the server that the user named, if any."""
    from prefect.settings import PREFECT_API_URL

    url: str | None = PREFECT_API_URL.value()
    return url if url and url != server.url else None


def _environment() -> dict[str, str]:
    """Return what the server is told: this process's Prefect settings, and to show no pages."""
    from prefect.settings import get_current_settings

    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    ephemeral = {
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
    }
    return {**os.environ, **ephemeral, **settings}


def main() -> None:
    """Serve Prefect's API on the socket of this number, until standard input is closed."""
    import uvicorn

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Thread(target=_end_with_starter, daemon=True).start()
    app = "prefect.server.api.server:create_app"
    config = uvicorn.Config(app, factory=True, log_level="error", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    _thread.interrupt_main(signal.SIGTERM)  # reaches the handler, though no signal is heard
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
