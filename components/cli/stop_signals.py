"""Detect Ctrl-C and SIGTERM, even if a library swallows the exception.

Concept: a signal raises an exception at whatever line is running. If that line is in a library's
callback, the library may wrap the exception in its own error (pydantic's serialisers do), and
Prefect replaces our handler while a flow runs. So the interpreter also writes each signal's
number to a pipe, which no code in between can swallow.

Promise: once a signal has arrived, `heard` reports it, whoever handled it and whatever was raised.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

_pipe: list[int] = []


def listen() -> None:
    """Make SIGTERM raise, so that the command cleans up, and record every signal."""
    if not _pipe:
        _pipe.extend(os.pipe())
        for end in _pipe:
            os.set_blocking(end, False)
    heard()
    signal.signal(signal.SIGTERM, _end)
    signal.set_wakeup_fd(_pipe[1], warn_on_full_buffer=False)


def heard() -> signal.Signals | None:
    """Return the last stop signal since the previous call, or None."""
    try:
        numbers = os.read(_pipe[0], 4096)
    except BlockingIOError:
        return None
    asked = [number for number in numbers if number in (signal.SIGINT, signal.SIGTERM)]
    return signal.Signals(asked[-1]) if asked else None


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)
