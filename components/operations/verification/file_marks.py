"""Holding files against what events say of them: there at all, size, digest.

Concept: a `Wanted` is what is known of one file. At the default depth a digest is read where
the file is small, and until `TOTAL_BYTES` were read by one `Marks`; deep reads them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.data.dvc_tracking import file_md5
from components.digest import file_digest
from components.operations.verification.findings import Finding, Skipped
from components.operations.verification.scene import Scene

SMALL_BYTES = 1_000_000
TOTAL_BYTES = 50_000_000
"""Together they are read and digested in under a second."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as it was recorded. What an event of an earlier Ratchet lacks is None."""

    path: Path
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None


def wanted(path: Path, mark: Mapping[str, Any]) -> Wanted:
    """Return what a mark in an event says of the file at `path`."""
    return Wanted(path, mark.get("sha256"), mark.get("md5"), mark.get("size"))


@dataclass(slots=True)
class Marks:
    """Compares files and counts: `held` were as recorded, of `unread` only the size was compared.

    `remedy` is what is done about a file that is not.
    """

    scene: Scene
    remedy: str
    held: int = 0
    unread: int = 0
    _left: int = field(default=TOTAL_BYTES)

    def compare(self, known: Wanted) -> Finding | None:
        """Return what is wrong with one file, or None."""
        problem = self._problem(known)
        if problem is None:
            self.held += 1
            return None
        return Finding(self.scene.relative(known.path), problem, self.remedy)

    def skipped(self, what: str) -> list[Skipped]:
        """Return what was not read at this depth."""
        if not self.unread:
            return []
        return [
            Skipped(
                f"the bytes of {self.unread} {what}",
                "large files; only their sizes were checked",
                deep=True,
            )
        ]

    def _problem(self, known: Wanted) -> str | None:
        path = known.path
        if path.is_symlink():
            return "it is a link, not the file that was recorded"
        if not path.is_file():
            return "it is missing"
        size = path.stat().st_size
        if known.size is not None and size != known.size:
            return f"it was changed: {size:,} bytes, but {known.size:,} were recorded"
        if not self.scene.deep and (size > SMALL_BYTES or size > self._left):
            self.unread += 1
            return None
        self._left -= size
        if known.sha256 is not None:
            now, recorded = file_digest(path), known.sha256
        elif known.md5 is not None:
            now, recorded = file_md5(path), known.md5
        else:
            return None
        return None if now == recorded else f"it was changed: its digest is {now[:12]}…"
