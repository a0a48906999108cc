"""Behaviour cases: inputs whose answers no later version may break.

Concept: a JSONL file next to the settings, one case per line: `text`, `label`, and optionally
`task` and `note`, which says why the answer matters.

Promise: one bad line makes the whole file invalid; the error names the line and the remedy. The
texts are kept out of training like those of an exam.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.digest import bytes_digest, task_name
from components.errors import ConfigError
from components.identity import PLAIN, Identity
from components.items import Item, make_item

KEYS = ("text", "label", "task", "note")


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its line, the item that must be answered correctly, and why."""

    line: int
    item: Item
    note: str


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The cases of one file, in its order; `digest` is that of its bytes."""

    digest: str
    cases: tuple[Case, ...]

    @property
    def items(self) -> list[Item]:
        """Return the inputs with their right answers."""
        return [case.item for case in self.cases]

    @property
    def near(self) -> frozenset[str]:
        """Return the keys under which near-duplicates of the texts are found."""
        return frozenset(case.item.near for case in self.cases)


def read_cases(path: Path, identity: Identity = PLAIN) -> CaseFile:
    """Read a file of cases; `identity` makes the digests of its items.

    Raises:
        ConfigError: it is missing, empty or not UTF-8, or a line is no case or stands twice.
    """
    try:
        data = path.read_bytes()
        lines = data.decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The behaviour cases file {path} cannot be read: {error}.",
            "Correct gate.checks.behaviour.file in params.yaml, or the file: it must be "
            "UTF-8 JSONL.",
        ) from None
    cases = [
        _case(path, place, line, identity) for place, line in enumerate(lines, 1) if line.strip()
    ]
    if not cases:
        raise ConfigError(
            f"The behaviour cases file {path} is empty.",
            "Write one case per line, or set gate.checks.behaviour.file to null.",
        )
    _refuse_repeated(path, cases)
    return CaseFile(bytes_digest(data), tuple(cases))


def _case(path: Path, place: int, line: str, identity: Identity) -> Case:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise _wrong(path, place, "is not JSON") from None
    if not isinstance(row, dict):
        raise _wrong(path, place, "is not a JSON object")
    unknown = sorted(set(row) - set(KEYS))
    if unknown:
        raise _wrong(path, place, f"has the unknown key {unknown[0]!r}")
    for name in KEYS[:2]:
        if not _is_text(row.get(name)):
            raise _wrong(path, place, f"has no {name}")
    for name in KEYS[2:]:
        if name in row and not (_is_text(row[name]) and row[name].isprintable()):
            raise _wrong(path, place, f"has a {name} that is not printable text")
    text, label = (unicodedata.normalize("NFC", row[name]) for name in KEYS[:2])
    task = task_name(row.get("task", "default"))
    return Case(place, make_item(text, label, task, identity=identity), row.get("note", ""))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _refuse_repeated(path: Path, cases: list[Case]) -> None:
    """Raise where a text stands twice: with two labels, one of them can never be kept."""
    first: dict[str, int] = {}
    for case in cases:
        before = first.setdefault(case.item.near, case.line)
        if before != case.line:
            raise _wrong(path, case.line, f"repeats the text of line {before}")


def _wrong(path: Path, place: int, what: str) -> ConfigError:
    return ConfigError(
        f"Behaviour cases file {path}, line {place}: this line {what}.",
        'A case is {"text": ..., "label": ...}, with "task" and "note" optional.',
    )
