"""Identity by content: one canonical form, one hash.

Concept: whatever has an identity in Ratchet (item, batch, snapshot, settings, evidence,
bundle) is hashed from canonical JSON or from its bytes with SHA-256.

Promise: equal values give equal digests on every machine; row order, file name and key
order never count.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_VARIATIONS = re.compile("[\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Characters of category Mn that choose a glyph and are not seen themselves."""


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


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def task_name(name: str) -> str:
    """Return a task's name in the one form that it is kept and compared in: Unicode NFC.

    Every way in calls this (settings, commands, folders, rows), so that "café" is one task.
    """
    return unicodedata.normalize("NFC", name)


def item_digest(text: Any, label: Any) -> str:
    """Return the identity of one example: its contract columns in canonical form.

    Strings are brought to Unicode NFC; a missing value stays null, so broken rows have an
    identity as well. The task is not part of it: the same example means the same
    example wherever it arrives.
    """
    return json_digest([_nfc(text), _nfc(label)])


def batch_digest(item_digests: Iterable[str]) -> str:
    """Return the identity of a batch: the `json_digest` of its sorted item digests.

    Memory: about 80 bytes an item; as bytes they sort as their text does.

    Law: file name and row order do not count; a row that stands twice counts twice.
    """
    digest = hashlib.sha256(b"[")
    for i, item in enumerate(sorted(map(bytes.fromhex, item_digests))):
        digest.update(f'{"," if i else ""}"{item.hex()}"'.encode())
    digest.update(b"]")
    return digest.hexdigest()


def normalised_text(text: str) -> str:
    """Return the form in which two texts count as near-duplicates.

    Invisible characters dropped, NFKC, case folded, everything but letters, digits and the
    marks on them (the vowels of Hindi or Thai are marks) made one space. Two texts of
    punctuation or symbols alone keep their characters, so they do not all collapse into one.

    Law: idempotent; case, width and Unicode form of the text do not count.
    """
    folded = _folded(text)
    words, in_word = [], False
    for character in folded:
        in_word = character.isalnum() or (
            in_word and unicodedata.category(character) in ("Mn", "Mc")
        )
        words.append(character if in_word else " ")
    return " ".join("".join(words).split()) or "".join(folded.split())


def _folded(text: str) -> str:
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
        text = unicodedata.normalize("NFKC", _VARIATIONS.sub("", text))
    return unicodedata.normalize("NFKC", text.casefold())


def text_digest(text: str) -> str:
    """Return the digest under which near-duplicates of `text` collide."""
    return bytes_digest(normalised_text(text).encode("utf-8", "surrogatepass"))


def _nfc(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value
