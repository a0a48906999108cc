"""One shell in which commands are typed, one after the other, as somebody does by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.command import REPOSITORY

END = "the command ended with"
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)


@dataclass(frozen=True)
class Typed:
    """A command, what it printed, standard error included, and its exit code."""

    command: str
    printed: str
    code: int


def commands(block: str) -> list[str]:
    """Return the commands of a `console` block, without what they print."""
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


@dataclass(frozen=True)
class Shell:
    """A bash whose `ratchet` and `python` are those of this test run; `cd` stays in force."""

    process: subprocess.Popen[str]

    def type(self, command: str) -> Typed:
        """Run a command, without a terminal, until it ends."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin and stdout
        stdin.write(f'{command}\necho "{END} $?"\n')
        stdin.flush()
        printed = ""
        while not (found := re.search(rf"{END} (\d+)\n\Z", printed)):
            line = stdout.readline()
            assert line, f"the shell ended in: {command}\n{printed}"
            printed += line
        return Typed(command, printed[: found.start()].rstrip("\n"), int(found[1]))


@contextmanager
def opened(folder: Path) -> Iterator[Shell]:
    """Start a shell in a folder."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["bash"], cwd=folder, env=environment, text=True,
        stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        yield Shell(process)
        assert process.stdin
        process.stdin.close()
