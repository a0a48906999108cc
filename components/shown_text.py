"""Texts that come from data, as people are shown them: nothing acts unseen, nothing is endless.

Concept: file names, labels and texts come from whoever sends data. A character that turns the
order of a line round (U+202E) or moves a cursor is written as its code, after a backslash.

Promise: what is visible has no such character left; every other one stays as it is.
"""

from __future__ import annotations

import re

_ORDER = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""The order in which text is shown."""

_ACTS_IN_A_TERMINAL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: cursor, colours, title, clipboard
    f"{_ORDER}"
    "\u2028\u2029\ud800-\udfff]"  # further line ends, and what UTF-8 cannot hold
)
_TURNS_TEXT = re.compile(f"[{_ORDER}]")


def plain(text: object) -> str:
    """Return text of which no character acts in a terminal, line ends and tabs included."""
    return _ACTS_IN_A_TERMINAL.sub(_visible, str(text))


def in_order(text: str) -> str:
    """Return text that is shown in the order in which it stands; everything else is kept."""
    return _TURNS_TEXT.sub(_visible, text)


def shortened(text: str, most: int) -> str:
    """Return at most so many characters of a text; an ellipsis stands for the rest."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(
        found[0], f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    )
