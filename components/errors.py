"""Every error that Ratchet raises on purpose, sorted by what the operator must do.

Concept: one base class and five kinds. Each carries a stable code, one sentence that
names the place, and one sentence that says what to do next.

Promise: the command line prints `message` and `remedy` and ends with `exit_code`;
anything else that escapes is a defect of Ratchet.
"""

from __future__ import annotations


class RatchetError(Exception):
    """Base of all deliberate errors.

    Args:
        message: what went wrong, with the file, field or version it happened at.
        remedy: what the operator does next, one sentence.
    """

    code = "ratchet"
    exit_code = 1

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


class Retryable(RatchetError):
    """A passing fault (a locked database, a busy lease): the same call may succeed later."""

    code = "retryable"


class DataRejected(RatchetError):
    """The data at hand cannot be used; the bytes are kept."""

    code = "data-rejected"


class NeedsHuman(RatchetError):
    """Ratchet will not decide this alone."""

    code = "needs-human"
    exit_code = 3


class Corrupted(RatchetError):
    """Stored bytes are not what was recorded: a broken chain, a changed bundle."""

    code = "corrupted"
    exit_code = 4


class ConfigError(RatchetError):
    """A setting or an argument is wrong: the message names field, value and legal values."""

    code = "config"
    exit_code = 2
