"""Argument types of the command line: numbers, batch prefixes and texts.

Promise: a value that no command can use (NaN, infinity, a number too large for the database,
an empty prefix) is a usage error with exit code 2, before anything is opened.
"""

from __future__ import annotations

import math
import re
from typing import Any

import click

LARGEST = 2**31 - 1
YEAR_SECONDS = 366 * 24 * 3600.0


class Number(click.FloatRange):
    """A finite number within bounds; click's own range lets NaN through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class BatchPrefix(click.ParamType[str]):
    """The first digits of the digest of a batch, or of something else, at least one."""

    name = "batch"

    def __init__(self, what: str = "a batch") -> None:
        self._what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the digits, in lower case."""
        prefix = str(value).lower()
        if not re.fullmatch(r"[0-9a-f]{1,64}", prefix):
            said = repr(prefix if len(prefix) < 100 else f"{prefix[:100]}…")
            self.fail(f"{said} is not the start of {self._what} (1 to 64 of 0-9, a-f).", param, ctx)
        return prefix


class Words(click.ParamType[str]):
    """Text that is not blank."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text unchanged."""
        if not str(value).strip():
            self.fail("it is empty.", param, ctx)
        return str(value)


VERSION = click.IntRange(1, LARGEST)
SEED = click.IntRange(0, LARGEST)


def seconds(least: float) -> Number:
    """Return an argument type for durations: from `least` seconds to a year."""
    return Number(least, YEAR_SECONDS)


class VersionName(click.ParamType[str]):
    """A version by its number, or as `champion` or `candidate`."""

    name = "version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the number's digits, or the name."""
        name = str(value).lower()
        if name not in ("champion", "candidate"):
            name = str(VERSION.convert(value, param, ctx))
        return name
