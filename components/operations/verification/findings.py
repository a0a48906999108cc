"""What a check says: this does not hold, this was not looked at, so many hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["damage", "unrecorded", "unsafe"]
"""`unrecorded`: a change that a person may have made and that no command has recorded yet.
`unsafe`: all that is recorded holds, but a person must see what lies beside it.
"""

NAMED = 3
"""How many names a line gives before it only counts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what was recorded: where, what, and what to do next."""

    place: str
    what: str
    remedy: str
    kind: Kind = "damage"


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was not looked at, and why; `deep` says that the other depth does."""

    what: str
    why: str
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Holds:
    """How many of what hold."""

    what: str
    count: int


Found = Finding | Skipped | Holds


def some(names: Iterable[str]) -> str:
    """Return the first names, in order, and how many more there are."""
    found = sorted(names)
    more = len(found) - NAMED
    return ", ".join(found[:NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class Report:
    """All that the checks found; `head` is the hash of the newest event, where it could be read."""

    deep: bool
    head: str | None
    found: tuple[Found, ...]

    @property
    def findings(self) -> list[Finding]:
        """What does not hold."""
        return [each for each in self.found if isinstance(each, Finding)]

    @property
    def skipped(self) -> list[Skipped]:
        """What was not looked at."""
        return [each for each in self.found if isinstance(each, Skipped)]

    @property
    def holds(self) -> dict[str, int]:
        """How many of what hold."""
        return {each.what: each.count for each in self.found if isinstance(each, Holds)}
