"""A real terminal, by tmux: keys go in, screens come out."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.command import REPOSITORY

TMUX = shutil.which("tmux")
SECONDS = 120.0


@dataclass(frozen=True)
class Terminal:
    """One window with a shell in it."""

    socket: str

    def tmux(self, *words: str) -> str:
        """Run a command of tmux; return what it printed."""
        command = [str(TMUX), "-L", self.socket, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names (`Enter`, `C-c`, `Tab`)."""
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a text as it is."""
        self.tmux("send-keys", "-l", text)

    def screen(self) -> str:
        """Return what the window shows."""
        return self.tmux("capture-pane", "-p").rstrip("\n")

    def wait(self, *wanted: str) -> str:
        """Wait until the window shows one of these texts; return the screen."""
        deadline = time.monotonic() + SECONDS
        while not any(each in (shown := self.screen()) for each in wanted):
            assert time.monotonic() < deadline, f"no {wanted!r} on\n{shown}"
            time.sleep(0.03)
        return shown

    def kill(self) -> None:
        """`kill -9` what runs in the shell."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as file:
            children = file.read().split()
        assert children, "nothing runs"
        for child in children:
            os.kill(int(child), signal.SIGKILL)


@contextmanager
def terminal(root: Path, columns: int = 88, lines: int = 40) -> Iterator[Terminal]:
    """Open a window with a shell that has the command `ratchet` for a root."""
    start = root.parent / "shellrc"
    python = shlex.quote(sys.executable)
    start.write_text(
        f'ratchet() {{ {python} -m components.cli.main "$@"; }}\n'
        f"export RATCHET_ROOT={shlex.quote(str(root))} PYTHONPATH={shlex.quote(str(REPOSITORY))}\n"
        "PS1='$ '\nset +o history\nclear\n"
    )
    window = Terminal(f"ratchet-{os.getpid()}-{time.monotonic_ns()}")
    size = ("-x", str(columns), "-y", str(lines))
    window.tmux("-f", "/dev/null", "new-session", "-d", *size, f"bash --rcfile {start} -i")
    try:
        yield window
    finally:
        window.tmux("kill-server")
