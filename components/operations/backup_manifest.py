"""What a backup holds: each file with its digest, and which state of which ledger.

Promise: a manifest that is read is complete and has a format that this version of Ratchet knows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from components.digest import canonical_json
from components.errors import ConfigError, Corrupted
from components.files import FileMark
from components.ledger.ledger import Head
from components.operations.backup_archives import INSIDE, MANIFEST, REMEDY, Reader, require_plain

FORMAT = 1
MAX_BYTES = 500_000_000
"""About two million files."""


@dataclass(frozen=True, slots=True)
class Left:
    """Something that the root needs or has and that is not in the backup."""

    what: str
    why: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `files`: name relative to the root -> mark."""

    ratchet: str
    time: str
    model: str
    head: Head
    champion: int | None
    files: dict[str, FileMark]
    not_included: list[Left]

    @property
    def size(self) -> int:
        """How large all files are together."""
        return sum(mark.size for mark in self.files.values())

    def text(self) -> bytes:
        """Return the manifest as it is stored."""
        value = {"format": FORMAT, **asdict(self)}
        return (canonical_json(value) + "\n").encode("utf-8", "surrogatepass")


def read_manifest(backup: Path, reader: Reader) -> Manifest:
    """Return the manifest, once the names and sizes of all files are what it says.

    Raises:
        ConfigError: a newer Ratchet wrote it.
        Corrupted: there is none, it can't be read, or a file is missing, added or cut.
    """
    if reader.sizes.get(MANIFEST, MAX_BYTES + 1) > MAX_BYTES:
        raise Corrupted(
            f"{backup} is not a complete Ratchet backup: {MANIFEST} is missing.", REMEDY
        )
    with reader.open(MANIFEST) as file:
        manifest = _parsed(backup, file.read(MAX_BYTES))
    found = {name: size for name, size in reader.sizes.items() if name != MANIFEST}
    wanted = {f"{INSIDE}/{name}": mark.size for name, mark in manifest.files.items()}
    wrong = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if wrong:
        raise Corrupted(
            f"The backup {backup} is damaged: {wrong[0]!r} is missing or does not match "
            f"{MANIFEST} ({len(wrong)} file{'s' * (len(wrong) > 1)} in total).",
            REMEDY,
        )
    return manifest


def ratchet_version() -> str:
    """Return the installed version of Ratchet."""
    try:
        return version("ratchet")
    except PackageNotFoundError:
        return "unknown"


def _parsed(backup: Path, data: bytes) -> Manifest:
    try:
        said = json.loads(data.decode("utf-8", "surrogatepass"))
        if said.pop("format") != FORMAT:
            raise ConfigError(
                f"The backup {backup} has a format that this version of Ratchet does not know.",
                f"Restore it with Ratchet {said.get('ratchet')} or newer.",
            )
        files = {name: _mark(each) for name, each in said.pop("files").items()}
        head, left = Head(**said.pop("head")), [Left(**each) for each in said.pop("not_included")]
        manifest = Manifest(**said, files=files, head=head, not_included=left)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupted(f"The {MANIFEST} of {backup} can't be read: {error}.", REMEDY) from None
    for name in files:
        require_plain(backup, name)
    return manifest


def _mark(said: dict[str, Any]) -> FileMark:
    mark = FileMark(**said)
    if type(mark.size) is not int or type(mark.sha256) is not str:
        raise TypeError("a file record has the wrong types")
    return mark
