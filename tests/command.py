"""The command `ratchet` as a person meets it: what it prints and the code it ends with."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from components.cli.main import main
from components.ledger import views
from components.workspace.root import open_workspace

REPOSITORY = Path(__file__).parents[1]


PHASE = re.compile(r"^([A-Za-z ]+) \.\.\.\n", re.MULTILINE)
"""What a piped command says that it is at."""


@dataclass(frozen=True)
class Ran:
    """A command that ended: `err` is what it said on stderr beside its phases."""

    code: int
    out: str
    err: str
    phases: tuple[str, ...] = ()

    @property
    def facts(self) -> Any:
        """What `--json` printed; NaN and infinity are no JSON."""
        return json.loads(self.out, parse_constant=_no_json)


def ratchet(root: Path, *arguments: str | Path, stdin: str = "") -> Ran:
    """Run the command's own `main` in this process, which has its libraries loaded already."""
    return typed("--root", root, *arguments, stdin=stdin)


def typed(*arguments: str | Path, stdin: str = "") -> Ran:
    """Run the command's own `main` where this process stands."""
    argv = ["ratchet", *map(str, arguments)]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    level, handler = logging.getLogger().level, signal.getsignal(signal.SIGTERM)
    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        mock.patch.dict(os.environ),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            logging.getLogger().setLevel(level)
            signal.signal(signal.SIGTERM, handler)
    return _ran(code, _text(out), _text(err))


def start(
    root: Path,
    *arguments: str | Path,
    start_new_session: bool = False,
    stdin: int | None = None,
    **environment: str,
) -> subprocess.Popen[str]:
    """Start the command as a process of its own, or as the first of a group of its own.

    `stdin`: a file descriptor; None for that of this process.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "components.cli.main", "--root", str(root), *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=start_new_session,
        stdin=stdin,
    )


def finish(process: subprocess.Popen[str], seconds: float = 300) -> Ran:
    """Wait until the process ends, and return what came of it."""
    out, err = process.communicate(timeout=seconds)
    return _ran(process.returncode, out, err)


def wait_for_event(root: Path, process: subprocess.Popen[str], kind: str) -> None:
    """Wait until one more event of a kind was written."""
    ledger = open_workspace(root).ledger
    before = len(views.events(ledger, kind=kind))
    while len(views.events(ledger, kind=kind)) == before:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def _ran(code: int, out: str, err: str) -> Ran:
    return Ran(code, out, PHASE.sub("", err), tuple(PHASE.findall(err)))


def assert_one_paragraph(ran: Ran) -> None:
    """An error is told in a line that says what, and a line that says what to do next."""
    assert "Traceback" not in ran.err + ran.out, ran.err
    lines = ran.err.splitlines()
    assert len(lines) == 2, ran.err
    assert lines[0].startswith("error (") and "defect" not in lines[0], ran.err
    assert all(line.rstrip().endswith((".", ")")) for line in lines), ran.err


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode("utf-8")


def _no_json(literal: str) -> Any:
    raise AssertionError(f"{literal} in JSON")


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let every write beyond `size` bytes of a file fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
