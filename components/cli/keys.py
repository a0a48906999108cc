"""Reading answers: single keys from a terminal, lines from a pipe.

Concept: whoever asks calls `key` and `choose`. A terminal gives each key at once, without Enter;
a pipe gives a line an answer, and what follows the key in it is what `choose` gets.

Promise: the terminal is left as it was found, however the block ends.
"""

from __future__ import annotations

import codecs
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from components.cli.output import redraw

END = "\x04"
"""What Ctrl-D sends, and what stands for the end of a pipe."""

ENTER, ERASE, ESCAPE, TAB = ("\r", "\n"), ("\x7f", "\b"), "\x1b", "\t"
SHOWN_MATCHES = 6

Matches = Callable[[str], Sequence[str]]
"""What a beginning may be completed to."""


class Keys(Protocol):
    """Where answers come from."""

    def key(self) -> str:
        """Return the next key; `END` where there is none."""

    def choose(self, prompt: str, matches: Matches) -> str | None:
        """Return what was typed, completed where one match is left; None: thought better of."""


class Pipe:
    """Lines of standard input."""

    def __init__(self) -> None:
        self._rest = ""

    def key(self) -> str:
        """Return the first character of the next line that is not blank."""
        line = _next_line()
        self._rest = line[1:].strip()
        return line[:1] or END

    def choose(self, prompt: str, matches: Matches) -> str | None:
        """Return the rest of the line, or the next one."""
        typed = self._rest or _next_line()
        return completed(typed, matches) if typed else None


class Terminal:
    """Keys of the terminal, which must be in the mode of `reading_keys`."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ahead: list[str] = []

    def key(self) -> str:
        """Return the next key; an arrow or a function key is one, and no answer."""
        while not self._ahead:
            data = os.read(sys.stdin.fileno(), 1024)
            if not data:
                return END
            text = self._decoder.decode(data)
            self._ahead += [ESCAPE] if text.startswith(ESCAPE) else list(text)
        return self._ahead.pop(0)

    def choose(self, prompt: str, matches: Matches) -> str | None:
        """Let a line be typed; what it may be completed to stands behind it."""
        typed = ""
        while True:
            found = matches(typed) if typed else ()
            redraw(f"{prompt}{typed}", _hint(typed, found))
            key = self.key()
            if key in ENTER:
                redraw(f"{prompt}{completed(typed, matches)}", "", done=True)
                return completed(typed, matches) if typed else None
            if key in (ESCAPE, END):
                redraw(prompt, "", done=True)
                return None
            if key in ERASE:
                typed = typed[:-1]
            elif key == TAB:
                typed = _common_beginning(found) or typed
            elif key.isprintable():
                typed += key


@contextmanager
def reading_keys() -> Iterator[Keys]:
    """Read keys where standard input and output are a terminal, else lines."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield Pipe()
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)
    try:
        yield Terminal()
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def completed(typed: str, matches: Matches) -> str:
    """Return the one thing that `typed` is the beginning of; `typed` itself where it is not."""
    found = matches(typed)
    return found[0] if len(found) == 1 else typed


def _common_beginning(texts: Sequence[str]) -> str:
    shortest = min(texts, key=len, default="")
    alike = (n for n in range(len(shortest), 0, -1) if len({each[:n] for each in texts}) == 1)
    return shortest[: next(alike, 0)]


def _hint(typed: str, found: Sequence[str]) -> str:
    if not typed:
        return "  (Tab completes, Enter answers, Esc goes back)"
    if not found:
        return "  (no such label)"
    more = len(found) - SHOWN_MATCHES
    return f"  ({', '.join(found[:SHOWN_MATCHES])}{f' and {more} more' if more > 0 else ''})"


def _next_line() -> str:
    """Return the next line that is not blank, without the blanks around it; "" at the end."""
    for line in sys.stdin:
        if line.strip():
            return line.strip()
    return ""
