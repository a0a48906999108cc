"""Prefect's temporary server: a process that ends with the one that started it, and not before.

Concept: whoever ends a command often signals all of its processes: a terminal's Ctrl-C, `timeout`,
systemd. A server that hears this dies before the batch that reports to it. So ours hears no stop
signal: it ends when its standard input is closed, by `stop` or by the death of its starter,
`kill -9` included.
"""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
import time

import uvicorn
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import get_current_settings

SIGNALS = {signal.SIGINT, signal.SIGTERM}
GRACE_SECONDS = 4.0
"""How long the server may take to end by itself; Prefect waits 5 s before it kills it."""


class ServerProcess(SubprocessASGIServer):
    """The server that Prefect uses in this process wherever no URL names another one.

    Made before Prefect asks for its own: there is one for each port.
    """

    def _run_uvicorn_command(self) -> subprocess.Popen[bytes]:
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        ephemeral = {
            "PREFECT_UI_ENABLED": "0",
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT__SERVER_FINAL": "1",
        }
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a child inherits it
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "flows.server_process", "--port", str(self.port)],
                env={**os.environ, **ephemeral, **settings},
                stdin=subprocess.PIPE,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop(self) -> None:
        """End the server."""
        if self.server_process is not None and self.server_process.stdin is not None:
            self.server_process.stdin.close()
        super().stop()


def main() -> None:
    """Serve Prefect's API until standard input is closed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Thread(target=_end_with_starter, daemon=True).start()
    app = "prefect.server.api.server:create_app"
    uvicorn.main(["--factory", app, "--log-level", "error", "--lifespan", "on", *sys.argv[1:]])


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    _thread.interrupt_main(signal.SIGTERM)  # reaches the handler, though no signal is heard
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
