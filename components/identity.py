"""Identity by content: what is digested of an item, in which form, and under which key.

Concept: an `Identity` names a form of contents (`text-v1`) and may hold a secret. Everything that
is digested from what rows say goes through the one in force for its root: items, the keys of
near-duplicates, batches.

Promise: without a key digests are plain SHA-256, the same on every machine. With one they are
HMAC-SHA-256: whoever lacks the key can't try out what an erased row may have said (law 11), and
whatever compares digests of one root works as before.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from components.digest import canonical_json
from components.errors import ConfigError

_VARIATIONS = re.compile("[\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Characters of category Mn that choose a glyph and are not seen themselves."""

MIN_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Form:
    """The canonical form of a modality's contents. A change of it is a new form, never an edit.

    canonical: content -> what an item's digest covers; takes any JSON value, for broken rows
        have an identity as well.
    near: content -> text that near-duplicates share. Law: idempotent.
    same: content -> text that contents share which a reader can't tell apart. Law: idempotent;
        what is the same is near.
    """

    modality: str
    canonical: Callable[[Any], Any]
    near: Callable[[str], str]
    same: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Identity:
    """How the contents of one root become digests, 64 hex digits each.

    `kind` is a row of `FORMS`; `key` is a secret of at least `MIN_KEY_BYTES`, or None.

    Raises:
        ConfigError: there is no such kind, or the key is too short.
    """

    kind: str = "text-v1"
    key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in FORMS:
            raise ConfigError(
                f"There is no identity {self.kind!r}.", f"Use one of {', '.join(FORMS)}."
            )
        if self.key is not None and len(self.key) < MIN_KEY_BYTES:
            raise ConfigError(
                f"The key of an identity has {len(self.key)} bytes.",
                f"Use at least {MIN_KEY_BYTES} random bytes: a short key can be guessed.",
            )

    @property
    def modality(self) -> str:
        """What the contents are: a row of `components.data.modality.MODALITIES`."""
        return FORMS[self.kind].modality

    def canonical(self, content: Any) -> Any:
        """Return a content in the form that its item keeps and that its digest covers."""
        return FORMS[self.kind].canonical(content)

    def item(self, content: Any, label: Any) -> str:
        """Return the identity of one example: content and label in canonical form.

        A missing value stays null. The task is not part of it: the same example means the same
        example wherever it arrives.
        """
        return self.value([self.canonical(content), nfc(label)])

    def near(self, content: str) -> str:
        """Return the digest under which near-duplicates of `content` collide."""
        return self._hash(_bytes(FORMS[self.kind].near(content))).hexdigest()

    def same(self, content: str) -> str:
        """Return the digest under which contents collide that say the same to a reader."""
        return self._hash(_bytes(FORMS[self.kind].same(content))).hexdigest()

    def batch(self, items: Iterable[str]) -> str:
        """Return the identity of a batch: the `value` of its sorted item digests.

        Memory: about 80 bytes an item; as bytes they sort as their text does.

        Law: file name and row order do not count; a row that stands twice counts twice.
        """
        digest = self._hash(b"[")
        for i, item in enumerate(sorted(map(bytes.fromhex, items))):
            digest.update(f'{"," if i else ""}"{item.hex()}"'.encode())
        digest.update(b"]")
        return digest.hexdigest()

    def value(self, value: Any) -> str:
        """Return the digest of the canonical JSON of anything else that rows say."""
        return self._hash(_bytes(canonical_json(value))).hexdigest()

    def _hash(self, data: bytes) -> hashlib._Hash | hmac.HMAC:
        return hashlib.sha256(data) if self.key is None else hmac.new(self.key, data, "sha256")


def nfc(value: Any) -> Any:
    """Return a string in Unicode NFC, and anything else as it is."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def normalised_text(text: str) -> str:
    """Return the form in which two texts count as near-duplicates.

    Invisible characters dropped, NFKC, case folded, everything but letters, digits and the
    marks on them (the vowels of Hindi or Thai are marks) made one space. Two texts of
    punctuation or symbols alone keep their characters, so they do not all collapse into one.

    They are kept from standing on both sides of the split, and may still say opposite things:
    `5 > 3` and `5 < 3` are near.

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


def read_text(text: str) -> str:
    """Return the form in which two texts say the same to a reader: every visible sign counts.

    Invisible characters dropped, NFKC, case folded, white space made one space.

    Law: idempotent; texts with the same form have the same `normalised_text`.
    """
    return " ".join(_folded(text).split())


def _folded(text: str) -> str:
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
        text = unicodedata.normalize("NFKC", _VARIATIONS.sub("", text))
    return unicodedata.normalize("NFKC", text.casefold())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


FORMS = {"text-v1": Form("text", nfc, normalised_text, read_text)}
"""Kind of identity -> form. A kind's digests never change."""

PLAIN = Identity()
"""Texts without a key: what every root has so far."""
