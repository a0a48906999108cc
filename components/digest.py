"""Digests: one canonical form, one hash.

Concept: whatever has a digest in Ratchet (snapshot, settings, evidence, bundle, file) is hashed
from canonical JSON or from its bytes with SHA-256. What rows say goes through `identity`.

Promise: equal values give equal digests on every machine; the order of keys never counts.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from pathlib import Path
from typing import Any

_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys, no spaces and no NaN.

    Raises:
        ValueError: a NaN or an infinity is inside.
    """
    return _CANONICAL.encode(value)


def bytes_digest(data: bytes) -> str:
    """Return the SHA-256 of `data`, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def json_digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`."""
    return bytes_digest(canonical_json(value).encode("utf-8", "surrogatepass"))


def uniform(value: Any) -> float:
    """Return a number in [0, 1) that is uniform over values: the head of their digest."""
    return int(json_digest(value)[:13], 16) / 16**13


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def task_name(name: str) -> str:
    """Return a task's name in the one form that it is kept and compared in: Unicode NFC.

    Every way in calls this (settings, commands, folders, rows), so that "café" is one task.
    """
    return unicodedata.normalize("NFC", name)
