"""SQLite stays behind one module of the ledger's room, and that module does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from components.ledger import database, schema
from components.ledger.ledger import Ledger
from tests.ledger.story import arrival, digest

ROOM = Path(database.__file__).parent
OWN = re.compile(
    r"sqlite|pragma|json_each|printf|immediate|driver|serialize|sa\.(text|DDL|create_engine)\(",
    re.IGNORECASE,
)
"""What only SQLite has or means, and the ways past SQLAlchemy's core."""

STEPS = {"layout.py": {"sa.text("}}
"""The steps of earlier layouts stand word for word, in SQL that every database has."""

IMPORTS = "from components.sqlite_schema import Defined"


def test_only_the_database_module_speaks_sqlite() -> None:
    for path in sorted(ROOM.rglob("*.py")):
        text = path.read_text(encoding="utf-8").replace(IMPORTS, "")
        found = {match.group() for match in OWN.finditer(text)}
        if path.name == "database.py":
            assert found > {"sqlite", "PRAGMA", "json_each", "IMMEDIATE"}
        else:
            assert found <= STEPS.get(path.name, set()), f"{path.name}: {sorted(found)}"


@pytest.mark.parametrize("count", [0, 1, 3, 50_000])
def test_any_number_of_texts_is_one_parameter(ledger: Ledger, count: int) -> None:
    wanted = ["it's", "ünï", '"'][:count] or []
    for text in wanted:
        ledger.append(arrival(text), None)
    ledger.append(arrival(digest("another")), None)
    asked = [*wanted, *(str(n) for n in range(count - len(wanted)))]
    column = schema.inbox.c.batch
    rows = ledger.query(sa.select(column).where(column.in_(database.among(asked))))
    assert sorted(row.batch for row in rows) == sorted(wanted)


def test_a_number_and_what_is_defined_are_read_back() -> None:
    def fill(connection: sa.Connection) -> None:
        schema.inbox.create(connection)
        database.set_layout_number(connection, 7)

    with database.in_memory(fill) as connection:
        assert database.layout_number(connection) == 7
        assert database.damage(connection) is None
        found = database.defined(connection)
        kinds = {name: (each.kind, each.table) for name, each in found.items()}
        assert kinds == {"inbox": ("table", "inbox"), "inbox_by_status": ("index", "inbox")}
