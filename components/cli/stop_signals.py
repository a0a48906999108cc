"""Being asked to stop, by Ctrl-C or SIGTERM: heard whatever becomes of the exception.

Concept: a signal turns into an exception at whichever line is running. Where that is a callback
of a library, the library may wrap it in an error of its own (pydantic's serialisers do), and
Prefect puts its own handler in place of ours while a flow runs. The interpreter itself also
writes each signal's number into a pipe, which nobody in between can swallow.

Promise: once a signal came, `heard` says so, whoever handled it and whatever was raised.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

_pipe: list[int] = []


def listen() -> None:
    """Let SIGTERM end the command as an exception, so that it cleans up, and note every signal."""
    if not _pipe:
        _pipe.extend(os.pipe())
        for end in _pipe:
            os.set_blocking(end, False)
    heard()
    signal.signal(signal.SIGTERM, _end)
    signal.set_wakeup_fd(_pipe[1], warn_on_full_buffer=False)


def heard() -> signal.Signals | None:
    """Return the last signal that asked to stop since the last call, if one did."""
    try:
        numbers = os.read(_pipe[0], 4096)
    except BlockingIOError:
        return None
    asked = [number for number in numbers if number in (signal.SIGINT, signal.SIGTERM)]
    return signal.Signals(asked[-1]) if asked else None


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)
