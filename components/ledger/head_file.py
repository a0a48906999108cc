"""The newest event, recorded next to the ledger, so that an older copy of the ledger is detected.

Concept: after each commit `ledger.head` names the event that was written. If an older ledger is
put in place, this file is ahead of it.

Promise: after a crash this file may be behind the ledger, never ahead of it. If it is missing or
unreadable, nothing is claimed.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from components.files import PART_SUFFIX, read_bytes
from components.ledger import schema

NAME = "ledger.head"
MAX_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Head:
    """An event by its number and its hash."""

    seq: int
    hash: str


def read_note(ledger: Path) -> Head | None:
    """Return what is noted beside a ledger; None where nothing is, or nothing legible."""
    try:
        said = json.loads(read_bytes(ledger.with_name(NAME), MAX_BYTES))
        head = Head(said["seq"], said["hash"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    sound = type(head.seq) is int and 0 < head.seq < 2**63 and type(head.hash) is str
    return head if sound else None


def write_note(ledger: Path, head: Head) -> None:
    """Note the newest event in one step; not flushed to the disk, since behind is harmless.

    A note that can't be written stays as it is: the event that it would name is committed.
    """
    target = ledger.with_name(NAME)
    part = target.with_name(f"{NAME}.{os.getpid()}-{threading.get_ident()}{PART_SUFFIX}")
    try:
        part.write_text(json.dumps(asdict(head)) + "\n", encoding="ascii")
        os.replace(part, target)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def newest(connection: Connection) -> Head:
    """Return the newest event of a ledger; number 0 before the first one."""
    row = connection.execute(sa.select(schema.head)).one()
    return Head(row.seq, row.hash)


def difference(connection: Connection, noted: Head, place: str) -> str | None:
    """Say how a ledger differs from what was noted of it; None where the note is part of it."""
    table = schema.events.c
    found = connection.execute(sa.select(table.hash).where(table.seq == noted.seq)).scalar()
    if found == noted.hash:
        return None
    if found is None:
        return (
            f"The ledger {place} is an older copy: it ends at event {newest(connection).seq}, "
            f"but {NAME} next to it records event {noted.seq} ({noted.hash[:12]}…)."
        )
    return (
        f"The ledger {place} is another copy: its event {noted.seq} is {found[:12]}…, "
        f"but {NAME} next to it records {noted.hash[:12]}…."
    )
