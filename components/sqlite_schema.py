"""What an SQLite file defines: tables, indexes, views and triggers, as it holds them itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

INTERNAL = "sqlite_"
"""SQLite keeps this prefix for itself: indexes of keys, statistics of ANALYZE."""


@dataclass(frozen=True, slots=True)
class Defined:
    """One row of `sqlite_master`. `kind`: table, index, view or trigger; `table`: the one it is of.

    `sql` is the statement that made it, word for word.
    """

    kind: str
    name: str
    table: str
    sql: str


def defined(path: Path) -> list[Defined]:
    """Return all that the file at `path`, which is there, defines, by name.

    Raises:
        sqlite3.Error: it is no database, or is locked.
    """
    asked = "SELECT type, name, tbl_name, ifnull(sql, '') FROM sqlite_master ORDER BY name"
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        rows = [Defined(*map(str, row)) for row in connection.execute(asked)]
    return [each for each in rows if not each.name.startswith(INTERNAL)]
