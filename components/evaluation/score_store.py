"""Answers once given, kept in one SQLite file.

Concept: a row is the answer of one version to one item. Its digest covers the version's key, the
item and all of the answer, so a row that was changed, or moved to another item or version, is
known as unsound.

Promise: an unsound row is never handed out. The digest has no key, so whoever computes it again
passes here: that is found by answering again (`scoring`: some at each decision, all of them in
`audit verify --deep`). The store is a cache: it can be deleted at any time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path

from components.digest import json_digest
from components.errors import Corrupted, Retryable

LOCK_SECONDS = 30.0
"""How long a call waits for another process that writes scores."""

EARLIER_TABLES = ("scores", "answers")
"""What an earlier Ratchet kept without digests: dropped, and computed again."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer to one item, rounded to `scoring.SCORE_DECIMALS`.

    label: the most probable one. confidence: its probability, in [0, 1]. brier: the squared
    distance of all probabilities from the item's own label, halved, so that it lies in
    [0, 1] for any number of labels; 0 is sure and right (Brier 1950, Monthly Weather Review 78).
    """

    label: str
    confidence: float
    brier: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one version: item digest -> answer, and the items whose row is unsound."""

    answers: dict[str, Scored] = field(default_factory=dict)
    unsound: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ScoreStore:
    """Answers by (`answers_key`, item digest), in one SQLite file.

    The table gets a new name if its columns change: see `EARLIER_TABLES`.
    """

    path: Path

    def look_up(self, bundle: str, items: Iterable[str]) -> Kept:
        """Return what is kept of `bundle`'s answers to `items`."""
        wanted, kept = set(items), Kept()
        statement = f"SELECT {_COLUMNS} FROM scored WHERE bundle = ?"  # noqa: S608
        with self._open() as database:
            for row in database.execute(statement, (bundle,)):
                if row[1] in wanted:
                    _sort(row, kept)
        return kept

    def everything(self) -> dict[str, Kept]:
        """Return what is kept, by version."""
        found: dict[str, Kept] = {}
        with self._open() as database:
            for row in database.execute(f"SELECT {_COLUMNS} FROM scored"):  # noqa: S608
                _sort(row, found.setdefault(str(row[0]), Kept()))
        return found

    def put(self, bundle: str, answers: Mapping[str, Scored]) -> None:
        """Keep `answers` (item digest -> answer); what is there already stays."""
        rows = [
            (bundle, item, each.label, each.confidence, each.brier, _digest(bundle, item, each))
            for item, each in answers.items()
        ]
        with self._open() as database:
            database.executemany("INSERT OR IGNORE INTO scored VALUES (?, ?, ?, ?, ?, ?)", rows)

    def forget(self, bundle: str, items: Iterable[str] | None = None) -> int:
        """Throw away the answers of `bundle` to `items`, or all of them; return how many."""
        with self._open() as database:
            if items is None:
                return database.execute("DELETE FROM scored WHERE bundle = ?", (bundle,)).rowcount
            rows = [(bundle, item) for item in items]
            where = "WHERE bundle = ? AND item = ?"
            return database.executemany(f"DELETE FROM scored {where}", rows).rowcount  # noqa: S608

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self.path, timeout=LOCK_SECONDS)) as database, database:
                database.text_factory = _decoded
                for table in EARLIER_TABLES:
                    database.execute(f"DROP TABLE IF EXISTS {table}")
                database.execute(
                    "CREATE TABLE IF NOT EXISTS scored (bundle TEXT, item TEXT, label TEXT"
                    " NOT NULL, confidence REAL, brier REAL, digest TEXT NOT NULL,"
                    " PRIMARY KEY (bundle, item)) WITHOUT ROWID"
                )
                yield database
        except sqlite3.OperationalError as error:
            raise Retryable(
                f"The score store {self.path} cannot be used right now: {error}.",
                "Wait for the other process to finish, then run this again.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise Corrupted(
                f"The score store {self.path} is damaged: {error}.",
                "Delete the file; the scores are recomputed.",
            ) from error


_COLUMNS = "bundle, item, label, confidence, brier, digest"


def _sort(row: tuple[object, ...], kept: Kept) -> None:
    """Enter a stored row among the answers, or among the unsound ones."""
    bundle, item, label, confidence, brier, digest = row
    answer = Scored(str(label), _number(confidence), _number(brier))
    if isinstance(label, str) and digest == _digest(str(bundle), str(item), answer):
        kept.answers[str(item)] = answer
    else:
        kept.unsound.add(str(item))


def _digest(bundle: str, item: str, answer: Scored) -> str:
    numbers = [None if isnan(each) else each for each in (answer.confidence, answer.brier)]
    return json_digest([bundle, item, answer.label, *numbers])


def _number(stored: object) -> float:
    """Return a stored number; SQLite keeps NaN as NULL, and anything that it was given."""
    return stored if isinstance(stored, float) else float("nan")


def _decoded(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")
